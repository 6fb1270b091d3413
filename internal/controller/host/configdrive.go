package host

import (
	"context"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// ConfigDrive is what a config drive is made from. Absent parts are nil.
type ConfigDrive struct {
	// UID, Namespace and Name are the host's.
	UID, Namespace, Name string
	// UserData, NetworkData and MetaData are the Secrets' contents.
	UserData, NetworkData, MetaData []byte
	// ReportURL is where the installed system reports, with its one-time credential; CAPEM verifies it.
	ReportURL string
	CAPEM     []byte
}

// configDrive reads the Secrets and makes the image. A Secret that cannot be used any more ends the hand-out: the next look says so on the host.
func (r *Reconciler) configDrive(ctx context.Context, host *metal3.BareMetalHost, l *ingot.HostLifecycle, stepID string) ([]byte, error) {
	hash := hashToken(r.firstBootToken(host.UID, stepID))
	if f := l.Status.FirstBoot; f == nil || f.TokenHash != hash {
		return nil, notNow("the record does not know the first-boot token of this step")
	}
	d := ConfigDrive{
		UID: string(host.UID), Namespace: host.Namespace, Name: host.Name,
		ReportURL: r.firstBootURL(host, stepID), CAPEM: r.config.CABundle,
	}
	refs := refsOf(host)
	network := refs.networkData
	if network == nil {
		// Metal3: what the agent's network was is the system's too, unless the host says otherwise.
		network = refs.preprovisioning
	}
	for _, one := range []struct {
		into *[]byte
		ref  *corev1.SecretReference
		key  string
	}{{&d.UserData, refs.userData, keyUserData}, {&d.NetworkData, network, keyNetworkData}, {&d.MetaData, refs.metaData, keyMetaData}} {
		value, problem, err := r.secretValue(ctx, host, one.ref, one.key)
		if err != nil {
			return nil, err
		}
		if problem != "" {
			r.memories.finish(keyOf(host), host.UID, func(m *memory) { m.secretNames = "" })
			return nil, notNow("%s", problem)
		}
		*one.into = value
	}
	return r.drives(d)
}
