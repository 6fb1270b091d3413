package evidence

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/claim/survey"
	"github.com/ingotmetal/ingot/issue"
)

func network(n *ingot.Network) issue.Network {
	x := issue.Network{Name: n.Namespace + "/" + n.Name, ASN: n.Status.ASN, VRF: n.Status.VRFID}
	x.NotReady, x.Since = unready(n.Status.Conditions, n.CreationTimestamp)
	if n.Spec.Type != ingot.SuperNetwork && x.NotReady == "" {
		x.Size, x.Free = n.Status.SizeIPv4, n.Status.FreeIPv4
	}
	return x
}

// unready is what the condition Ready says where it is not true, and since when.
func unready(conditions []metav1.Condition, made metav1.Time) (why string, since time.Time) {
	c := meta.FindStatusCondition(conditions, ingot.ReadyCondition)
	switch {
	case c == nil:
		return "the controller role has not looked at it: see whether it runs", made.Time
	case c.Status == metav1.ConditionTrue:
		return "", time.Time{}
	}
	return cmp.Or(c.Message, c.Reason), c.LastTransitionTime.Time
}

func ips(o Objects) []issue.IP {
	scopes := map[string]string{}
	for i := range o.Networks {
		scopes[o.Networks[i].Namespace+"/"+o.Networks[i].Name] = o.Networks[i].Status.VRF
	}
	machines := map[types.UID]bool{}
	for i := range o.Machines {
		machines[o.Machines[i].UID] = true
	}
	recorded := recordedIPs(o.AddressRecords)
	var all []issue.IP
	for i := range o.IPs {
		a := &o.IPs[i]
		x := issue.IP{
			Name: a.Namespace + "/" + a.Name, Address: a.Status.Address, CreatedAt: a.CreationTimestamp.Time, VRF: scopes[cmp.Or(a.Spec.Network.Namespace, a.Namespace)+"/"+a.Spec.Network.Name],
			Unowned: a.Spec.Type != ingot.StaticIP && len(a.OwnerReferences) == 0,
		}
		if ref := survey.MadeFor(a); ref != nil && a.DeletionTimestamp.IsZero() && !machines[ref.UID] {
			x.Leaked = survey.LostAddress(a, ref)
		}
		if a.Status.Address == "" {
			x.Refused, x.Since = unready(a.Status.Conditions, a.CreationTimestamp)
		}
		of := holder{"IP/" + x.Name, string(a.UID)}
		if o.AddressRecords != nil && a.Status.Address != "" && !slices.Contains(recorded[of], a.Status.Address) {
			x.Unrecorded, x.Since = fmt.Sprintf("no record has %s as the IP's", a.Status.Address), readySince(a)
		}
		delete(recorded, of)
		all = append(all, x)
	}
	for of, addresses := range recorded {
		all = append(all, issue.IP{Name: strings.TrimPrefix(of.claim, "IP/"), Orphaned: fmt.Sprintf("%s is recorded for the UID %s, which is gone", strings.Join(addresses, ", "), of.uid)})
	}
	slices.SortFunc(all[len(o.IPs):], func(a, b issue.IP) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Orphaned, b.Orphaned))
	})
	return all
}

// holder is a claim as records name it.
type holder struct{ claim, uid string }

// recordedIPs are the addresses that records have of IPs. What is not counted yet, or rests, is nobody's.
func recordedIPs(records []ingot.AddressRecord) map[holder][]string {
	all := map[holder][]string{}
	for i := range records {
		for _, a := range records[i].Spec.Addresses {
			if strings.HasPrefix(a.Claim, "IP/") && a.Until == nil && a.Pending == "" {
				of := holder{a.Claim, a.UID}
				all[of] = append(all[of], a.Address)
			}
		}
	}
	return all
}

// readySince is since when an IP has said that it has its address.
func readySince(o *ingot.IP) time.Time {
	if c := meta.FindStatusCondition(o.Status.Conditions, ingot.ReadyCondition); c != nil {
		return c.LastTransitionTime.Time
	}
	return o.CreationTimestamp.Time
}
