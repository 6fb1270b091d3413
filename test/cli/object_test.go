package cli_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingotmetal/ingot/internal/cli/apply"
	"github.com/ingotmetal/ingot/internal/cli/object"
	"github.com/ingotmetal/ingot/internal/cli/session"
)

// objects is a program with the commands for objects of any kind.
func objects(s *session.Session) *cobra.Command {
	c := &cobra.Command{Use: "ingot", SilenceErrors: false}
	c.AddCommand(apply.Command(s), object.Describe(s), object.Edit(s), object.Delete(s))
	return c
}

// editor makes a shell script the user's editor.
func editor(t *testing.T, script string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "editor")
	if err := os.WriteFile(file, []byte("#!/bin/sh\nset -e\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("VISUAL", "")
	t.Setenv("EDITOR", file)
}

func hostOf(t *testing.T, k client.Client, namespace, name string) *metal3.BareMetalHost {
	t.Helper()
	h := &metal3.BareMetalHost{}
	if err := k.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, h); err != nil {
		t.Fatal(err)
	}
	return h
}

// What describe writes, applied, changes nothing; and makes the object anew where it is gone.
func TestDescribeIsAppliedAgain(t *testing.T) {
	k := site(t, "described")
	run, contains := terminal(t, objects)
	h := &metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Namespace: "described", Name: "a", Labels: map[string]string{"rack": "7"}, Finalizers: []string{"example.com/held"}}}
	h.Spec.Online, h.Spec.BootMACAddress = true, "52:54:00:00:00:01"
	if err := k.Create(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	h.Status.Provisioning.State = metal3.StateAvailable
	if err := k.Status().Update(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"host", "bmh", "BareMetalHost", "baremetalhosts.metal3.io"} {
		out, _ := run(0, "describe", word, "a", "-n", "described")
		contains(out, "# BareMetalHost described/a, created ", "#     state: available", "kind: BareMetalHost", "online: true", "rack: \"7\"")
		for _, bad := range []string{"\nstatus", "uid:", "managedFields", "resourceVersion", "finalizers"} {
			if strings.Contains(out, bad) {
				t.Errorf("%q is in the answer:\n%s", bad, out)
			}
		}
	}
	text, _ := run(0, "describe", "host", "a", "-n", "described")
	file := filepath.Join(t.TempDir(), "a.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	before := hostOf(t, k, "described", "a")
	out, _ := run(0, "apply", "-f", file)
	contains(out, "BareMetalHost/a applied")
	after := hostOf(t, k, "described", "a")
	if after.Generation != before.Generation || len(after.Finalizers) != 1 {
		t.Errorf("generation %d, then %d; finalizers %v", before.Generation, after.Generation, after.Finalizers)
	}
	out, _ = run(0, "delete", "host", "a", "-n", "described", "--yes")
	contains(out, "BareMetalHost/a is being deleted; example.com/held must finish first")
	out, _ = run(0, "describe", "host", "a", "-n", "described")
	contains(out, "# is being deleted since ", "held by example.com/held")
	after = hostOf(t, k, "described", "a")
	after.Finalizers = nil
	if err := k.Update(t.Context(), after); err != nil {
		t.Fatal(err)
	}
	run(0, "apply", "-f", file)
	again, _ := run(0, "describe", "host", "a", "-n", "described", "-o", "json")
	contains(again, `"bootMACAddress": "52:54:00:00:00:01"`)

	_, messages := run(1, "describe", "secret", "x", "-n", "described")
	contains(messages, "--show-secrets")
	_, messages = run(session.NotThere, "describe", "host", "nobody", "-n", "described")
	contains(messages, "read BareMetalHost nobody in namespace described")
	_, messages = run(session.NotThere, "describe", "teapot", "x")
	contains(messages, `no kind "teapot"`)
	_, messages = run(1, "describe", "host", "a", "-A")
	contains(messages, "-A is no namespace")
}

func TestEdit(t *testing.T) {
	k := site(t, "edited")
	run, contains := terminal(t, objects)
	kept := func(messages string) {
		t.Helper()
		m := regexp.MustCompile("`ingot apply -f (\\S+)`").FindStringSubmatch(messages)
		if m == nil {
			t.Fatalf("no file is named: %s", messages)
		}
		i, err := os.Stat(m[1])
		if err != nil || i.Mode().Perm() != 0o600 {
			t.Fatalf("the text is not kept for its writer alone: %v %v", i, err)
		}
		os.Remove(m[1])
	}
	file := filepath.Join(t.TempDir(), "a.yaml")
	text := "apiVersion: metal3.io/v1alpha1\nkind: BareMetalHost\nmetadata: {name: a, namespace: edited, labels: {rack: \"7\"}}\nspec: {online: true, description: mine}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run(0, "apply", "-f", file)
	edit := append([]string{"edit", "host", "a", "-n", "edited"}, nil...)

	editor(t, "true")
	_, messages := run(0, edit...)
	contains(messages, "is not changed")
	editor(t, `sed -i 's/online: true/online: false/; /description/d' "$1"`)
	out, _ := run(0, edit...)
	contains(out, "BareMetalHost/a edited")
	if h := hostOf(t, k, "edited", "a"); h.Spec.Online || h.Spec.Description != "" {
		t.Errorf("%+v", h.Spec)
	}
	// The API server refuses what is not valid, and nothing is lost.
	editor(t, `sed -i 's/online: false/online: "maybe"/' "$1"`)
	_, messages = run(1, edit...)
	contains(messages, "BareMetalHost a is not changed", "spec.online")
	kept(messages)
	editor(t, `sed -i 's/name: a/name: b/' "$1"`)
	_, messages = run(1, edit...)
	contains(messages, "leave them as they are")
	kept(messages)
	editor(t, "exit 3")
	_, messages = run(1, edit...)
	contains(messages, "the editor", "nothing is changed")

	// Another applier's field is a conflict, shown with who it is.
	other := filepath.Join(t.TempDir(), "b.yaml")
	if err := os.WriteFile(other, []byte("apiVersion: metal3.io/v1alpha1\nkind: BareMetalHost\nmetadata: {name: a, namespace: edited}\nspec: {online: false, description: theirs, bootMACAddress: '52:54:00:00:00:02'}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(0, "apply", "-f", other, "--field-owner", "pipeline")
	editor(t, `sed -i 's/description: theirs/description: mine/' "$1"`)
	_, messages = run(session.Conflict, edit...)
	contains(messages, "pipeline", ".spec.description", "--force-conflicts")
	kept(messages)
	// So is one that was removed: server-side apply alone would say yes and leave it there.
	editor(t, `sed -i '/description: theirs/d' "$1"`)
	_, messages = run(session.Conflict, edit...)
	contains(messages, "spec.description (pipeline)", "--force-conflicts removes it")
	kept(messages)
	if h := hostOf(t, k, "edited", "a"); h.Spec.Description != "theirs" {
		t.Errorf("it changed all the same: %+v", h.Spec)
	}
	run(0, append(edit, "--force-conflicts")...)
	if h := hostOf(t, k, "edited", "a"); h.Spec.Description != "" || h.Spec.BootMACAddress != "52:54:00:00:00:02" {
		t.Errorf("%+v", h.Spec)
	}
}

func TestDelete(t *testing.T) {
	k := site(t, "deleted")
	run, contains := terminal(t, objects)
	for i := range 3 {
		if err := k.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "deleted", Name: fmt.Sprintf("m%d", i)}}); err != nil {
			t.Fatal(err)
		}
	}
	there := func(name string) bool {
		return k.Get(context.Background(), client.ObjectKey{Namespace: "deleted", Name: name}, &corev1.ConfigMap{}) == nil
	}
	typed := func(answer string, args ...string) (string, error) {
		var out lockedBuffer
		c := objects(session.New(&out, &out))
		c.SetArgs(args)
		c.SetIn(strings.NewReader(answer))
		c.SetErr(&out)
		err := c.ExecuteContext(t.Context())
		return out.String(), err
	}
	if out, err := typed("m1\n", "delete", "cm", "m0", "-n", "deleted"); err == nil || !there("m0") {
		t.Errorf("deleted without its name: %v\n%s", err, out)
	}
	if out, err := typed("m0\nm1\n", "delete", "configmaps", "m0", "m1", "-n", "deleted"); err != nil || there("m0") || there("m1") {
		t.Errorf("%v\n%s", err, out)
	}
	out, _ := run(0, "delete", "configmap", "m2", "-n", "deleted", "--yes")
	contains(out, "ConfigMap/m2 deleted")
	run(session.NotThere, "delete", "configmap", "m2", "-n", "deleted", "--yes")
	run(0, "delete", "configmap", "m2", "-n", "deleted", "--yes", "--ignore-not-found")
	names, _ := run(0, "__complete", "describe", "")
	if names != ":4\n" {
		contains(names, "baremetalhost\n", "configmap\n", "hostlifecycle\n")
	}
}
