package host

import (
	"context"
	"encoding/json"
	"fmt"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/configdrive"
)

// configDrive reads the Secrets and makes the image. A Secret that cannot be used any more ends the hand-out: the next look says so on the host.
func (r *Reconciler) configDrive(ctx context.Context, host *metal3.BareMetalHost, l *ingot.HostLifecycle, stepID string) ([]byte, error) {
	token := r.firstBootToken(host.UID, stepID)
	if f := l.Status.FirstBoot; f == nil || f.TokenHash != hashToken(token) {
		return nil, notNow("the record does not know the first-boot token of this step")
	}
	refs := refsOf(host)
	if refs.networkData == nil {
		// Metal3: what the agent's network was is the system's too, unless the host says otherwise.
		refs.networkData = refs.preprovisioning
	}
	user, err := r.usable(ctx, host, namedSecret{ref: refs.userData, key: keyUserData})
	if err != nil {
		return nil, err
	}
	network, err := r.usable(ctx, host, namedSecret{ref: refs.networkData, key: keyNetworkData})
	if err != nil {
		return nil, err
	}
	meta, err := r.usable(ctx, host, namedSecret{ref: refs.metaData, key: keyMetaData})
	if err != nil {
		return nil, err
	}
	site := &ingot.Partition{}
	if err := r.cached.Get(ctx, types.NamespacedName{Name: r.config.Partition}, site); err != nil {
		return nil, fmt.Errorf("read Partition %s, which names the servers of its site: %w", r.config.Partition, err)
	}
	vendor, err := configdrive.FirstBootReport(configdrive.Report{
		NTPServers: site.Spec.NTPServers,
		URL:        r.config.AgentEndpoint + protocol.PathFirstBoot + host.Namespace + "/" + host.Name + "/", Token: token, CAPEM: r.config.CABundle,
	})
	if err != nil {
		return nil, fmt.Errorf("first-boot report of the config drive: %w", err)
	}
	vendor.FirstBoot = &configdrive.FirstBoot{URL: r.config.AgentEndpoint + protocol.PathFirstBoot + host.Namespace + "/" + host.Name + "/", Token: token.Reveal(), CA: string(r.config.CABundle)}
	return buildDrive(host, user, network, meta, vendor, site.Spec.DNSServers)
}

func buildDrive(host *metal3.BareMetalHost, user, network, meta []byte, vendor configdrive.VendorData, nameServers []string) ([]byte, error) {
	values, problem := metadata(meta)
	if problem != "" {
		return nil, notNow("%s", problem)
	}
	if values[configdrive.FirewallKey] == nil {
		vendor.FirstBoot = nil
	}
	network, problem = asJSON(keyNetworkData, network)
	if problem != "" {
		return nil, notNow("%s", problem)
	}
	drive, err := configdrive.Build(configdrive.Drive{
		Metadata: configdrive.DefaultMetadata(configdrive.Host{UID: string(host.UID), Name: host.Name, Namespace: host.Namespace}, values),
		UserData: user, NetworkData: configdrive.WithNameServers(network, nameServers), VendorData: vendor,
	})
	if err != nil {
		return nil, err
	}
	if len(drive) > protocol.MaxConfigDriveBytes {
		return nil, notNow("the config drive has %d bytes, and an agent takes at most %d", len(drive), protocol.MaxConfigDriveBytes)
	}
	return drive, nil
}

// usable is a Secret's value at the moment that a step is handed out.
func (r *Reconciler) usable(ctx context.Context, host *metal3.BareMetalHost, n namedSecret) ([]byte, error) {
	value, problem, err := r.secretValue(ctx, host, n.ref, n.key)
	if err != nil {
		return nil, err
	}
	if problem != "" {
		r.memories.finish(keyOf(host), host.UID, func(m *memory) { m.secretNames = "" })
		return nil, notNow("%s", problem)
	}
	return value, nil
}

// metadata reads a metaData Secret: a map, in YAML or JSON as with Metal3.
func metadata(value []byte) (values configdrive.Metadata, problem string) {
	if len(value) == 0 {
		return nil, ""
	}
	if err := yaml.Unmarshal(value, &values); err != nil {
		return nil, fmt.Sprintf("the metaData Secret is no map in YAML or JSON: %v", err)
	}
	return values, ""
}

// asJSON turns YAML, which Metal3 allows, into the JSON that readers of config drives know.
func asJSON(what string, value []byte) (out []byte, problem string) {
	if len(value) == 0 || json.Valid(value) {
		return value, ""
	}
	out, err := yaml.YAMLToJSON(value)
	if err != nil {
		return nil, fmt.Sprintf("the %s Secret is neither YAML nor JSON: %v", what, err)
	}
	return out, ""
}

// contentProblem says what is wrong with a Secret's value before anything is begun with it.
func contentProblem(key string, value []byte) string {
	switch key {
	case keyMetaData:
		_, problem := metadata(value)
		return problem
	case keyNetworkData:
		_, problem := asJSON(key, value)
		return problem
	}
	return ""
}
