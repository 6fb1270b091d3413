package meter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/rest"
)

// A profile is taken in slices, since Go's profiler gives out nothing when a request for one ends early; `go tool pprof` reads them together.
const (
	profileSlice = 3 * time.Second
	// longestProfile is more than any phase takes; the profile ends with the phase.
	longestProfile = 10 * time.Minute
)

// Profile takes CPU profiles of the API server into files in dir that begin with name, until the returned function is called. What its last slice has is lost. Without a folder it does nothing.
func Profile(ctx context.Context, config *rest.Config, dir, name string) (stop func() error) {
	if dir == "" {
		return func() error { return nil }
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		var err error
		for i := 0; i < int(longestProfile/profileSlice) && ctx.Err() == nil && err == nil; i++ {
			file := filepath.Join(dir, fmt.Sprintf("%s-%02d.cpu", name, i))
			err = download(ctx, config, fmt.Sprintf("/debug/pprof/profile?seconds=%d", int(profileSlice.Seconds())), file)
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

// Heap writes into a file in dir what the API server holds in memory. Without a folder it does nothing.
func Heap(ctx context.Context, config *rest.Config, dir, name string) error {
	if dir == "" {
		return nil
	}
	return download(ctx, config, "/debug/pprof/heap?gc=1", filepath.Join(dir, name))
}

func download(ctx context.Context, config *rest.Config, path, into string) error {
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, config.Host+path, nil)
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
