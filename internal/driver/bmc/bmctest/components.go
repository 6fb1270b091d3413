package bmctest

import (
	"bytes"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/step"
)

// Updates is firmware that can be updated.
type Updates struct {
	// Components are in force at first.
	Components []bmc.Component
	// Images are images by URL, each with the component that it is for and the version that it brings, which is not the one at first.
	Images map[string]bmc.Component
	// Missing is the URL of an image that is not there.
	Missing string
	// NotByURL: the BMC shows versions, and takes no image by URL. Content gives an image for a component to be pushed; nil: the BMC takes none.
	NotByURL bool
	Content  func(bmc.Component) []byte
	// Waits: updates of other components than the BMC begin with the machine's next start.
	Waits bool
	// Forgets: of an update by an image that has ended nothing is found.
	Forgets bool
}

// components is the BMC's, nil where the rig has none, after the BMC said so.
func (r *run) components(t *testing.T) bmc.Components {
	t.Helper()
	has := r.s.Components() != nil
	if has != (r.Updates != nil) || r.can(bmc.CanComponents) != has {
		t.Fatalf("firmware updates: the rig has them: %v, the session: %v, the capabilities: %v", r.Updates != nil, has, r.can(bmc.CanComponents))
	}
	return r.s.Components()
}

func (r *run) versionsAre(t *testing.T, want []bmc.Component) {
	t.Helper()
	got, err := r.s.Components().Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("versions (-want +got):\n%s", diff)
	}
}

// firmwareVersions: what is there has its version, and a ticket that nobody gave tells nothing.
func firmwareVersions(t *testing.T, r *run) {
	c := r.components(t)
	if c == nil {
		return
	}
	r.versionsAre(t, r.Updates.Components)
	for _, ticket := range []string{"", "/redfish/v1/TaskService/Tasks/4711", "no ticket at all"} {
		p, err := c.Progress(t.Context(), ticket)
		if err != nil || p.State != bmc.UpdateUnknown {
			t.Errorf("ticket %q: %+v, %v", ticket, p, err)
		}
	}
	ticket, err := c.Find(t.Context(), r.Updates.Missing)
	if err != nil || ticket != "" {
		t.Errorf("an update that nobody asked for was found: %q, %v", ticket, err)
	}
}

// firmwareUpdate: each component gets its new version; one of the BMC's own at once, and the others with the machine's next start.
func firmwareUpdate(t *testing.T, r *run) {
	c := r.components(t)
	if c == nil {
		return
	}
	now := slices.Clone(r.Updates.Components)
	for _, url := range slices.Sorted(maps.Keys(r.Updates.Images)) {
		want := r.Updates.Images[url]
		ticket, err := c.Start(t.Context(), want.Name, bmc.Image{URL: url})
		if r.Updates.NotByURL {
			wantKind(t, "update "+want.Name, err, step.Unsupported)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(now, func(c bmc.Component) bool { return c.Name == want.Name })
		if want.Name == "bmc" {
			r.followed(t, ticket, bmc.UpdateDone, bmc.UpdateUnknown)
			now[i] = want
			r.versionsAre(t, now)
			continue
		}
		ended := bmc.UpdateDone
		if r.Updates.Waits {
			ended = bmc.UpdateWaits
		}
		r.followed(t, ticket, ended)
		found, err := c.Find(t.Context(), url)
		if err != nil || found != ticket && !r.Updates.Forgets {
			t.Errorf("the update with the ticket %q was found as %q, %v", ticket, found, err)
		}
		r.versionsAre(t, now)
		r.restarted(t)
		r.followed(t, ticket, bmc.UpdateDone)
		now[i] = want
		r.versionsAre(t, now)
	}
}

// followed looks at an update until it is in one of the states.
func (r *run) followed(t *testing.T, ticket string, until ...bmc.UpdateState) bmc.UpdateProgress {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		p, err := r.s.Components().Progress(t.Context(), ticket)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case slices.Contains(until, p.State):
			return p
		case p.State == bmc.UpdateFailed || time.Now().After(deadline):
			t.Fatalf("the update is %+v, want one of %v", p, until)
		}
	}
}

// firmwareFails: an image that is not there ends the update with a reason, and changes nothing.
func firmwareFails(t *testing.T, r *run) {
	c := r.components(t)
	if c == nil || r.Updates.NotByURL {
		return
	}
	ticket, err := c.Start(t.Context(), r.Updates.Components[0].Name, bmc.Image{URL: r.Updates.Missing})
	if err != nil {
		t.Fatal(err)
	}
	if p := r.followed(t, ticket, bmc.UpdateFailed); p.Message == "" {
		t.Error("it failed without a reason")
	}
	r.restarted(t)
	r.versionsAre(t, r.Updates.Components)
}

// firmwarePush: an image that is sent is written like one that is fetched; without the image nothing is asked for, and a BMC that takes none says so.
func firmwarePush(t *testing.T, r *run) {
	c := r.components(t)
	if c == nil {
		return
	}
	for _, url := range slices.Sorted(maps.Keys(r.Updates.Images)) {
		want := r.Updates.Images[url]
		if want.Name == "bmc" {
			continue
		}
		image := bmc.Image{URL: url, Push: true}
		_, err := c.Start(t.Context(), want.Name, image)
		wantKind(t, "push without the image", err, step.Unsupported)
		if r.Updates.Content == nil {
			continue
		}
		content := r.Updates.Content(want)
		image.Content, image.SizeBytes, image.Name = bytes.NewReader(content), int64(len(content)), `a "name".bin`
		ticket, err := c.Start(t.Context(), want.Name, image)
		if err != nil {
			t.Fatal(err)
		}
		ended := bmc.UpdateDone
		if r.Updates.Waits {
			ended = bmc.UpdateWaits
		}
		r.followed(t, ticket, ended)
		r.restarted(t)
		r.followed(t, ticket, bmc.UpdateDone)
		got, err := c.Read(t.Context())
		if err != nil || !slices.Contains(got, want) {
			t.Errorf("after the push of %v: %v, %v", want, got, err)
		}
	}
}
