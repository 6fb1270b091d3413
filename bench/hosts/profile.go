package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"k8s.io/client-go/rest"

	"github.com/ingotmetal/ingot/test/sim/site"
)

// longestProfile is more than any phase takes; the profile ends with the phase.
const longestProfile = 600

// profile takes a CPU profile of the API server until the returned function is called. Go's profiler gives out what it has when the request ends early only if it is asked in slices; these
// are ten seconds each and can be read together by `go tool pprof`.
func profile(ctx context.Context, s *site.Site, dir, name string) (stop func() error) {
	if dir == "" {
		return func() error { return nil }
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		var err error
		for i := 0; i < longestProfile/profileSlice && ctx.Err() == nil && err == nil; i++ {
			file := filepath.Join(dir, fmt.Sprintf("%s-%02d.cpu", name, i))
			err = download(ctx, s, fmt.Sprintf("/debug/pprof/profile?seconds=%d", profileSlice), file)
			if ctx.Err() != nil {
				err = os.Remove(file)
				if errors.Is(err, os.ErrNotExist) {
					err = nil
				}
			}
		}
		ended <- err
	}()
	return func() error {
		cancel()
		return <-ended
	}
}

const profileSlice = 10

// heap writes what the API server holds in memory.
func heap(ctx context.Context, s *site.Site, dir string) error {
	if dir == "" {
		return nil
	}
	return download(ctx, s, "/debug/pprof/heap?gc=1", filepath.Join(dir, "heap"))
}

func download(ctx context.Context, s *site.Site, path, into string) error {
	client, err := rest.HTTPClientFor(s.Config)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Config.Host+path, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", path, response.Status)
	}
	f, err := os.Create(into)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, response.Body)
	return errors.Join(err, f.Close())
}
