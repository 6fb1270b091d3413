package controller

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"

	"github.com/ingotmetal/ingot/internal/controller/machine"
	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/internal/meshkey"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/matrix"
)

// mesh opens the way to the mesh role; nil where the site has none.
func (o Options) mesh(bound *socket.Bound) (*machine.Mesh, error) {
	if o.MeshKeys == "" {
		if o.MeshCA != "" {
			return nil, errors.New("--mesh-ca is about the mesh: give --mesh-keys")
		}
		return nil, nil
	}
	file := o.MeshCA
	if file == "" {
		file = o.TLS.CA
	}
	ca, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the CA that members of the mesh are told: %w", err)
	}
	at, err := url.Parse(o.MeshKeys)
	if err != nil {
		return nil, fmt.Errorf("--mesh-keys: %w", err)
	}
	certificate, err := pki.NewReloader(o.TLS)
	if err != nil {
		return nil, err
	}
	// A key is asked for a few times a day: a connection that is kept would only have to be told from a dead one.
	c, err := meshkey.NewClient(o.MeshKeys, &http.Client{Transport: &http.Transport{
		DialContext: bound.DialContext(matrix.ControllerToMeshKeys), TLSClientConfig: certificate.ClientConfig(at.Hostname()), DisableKeepAlives: true,
	}})
	if err != nil {
		return nil, fmt.Errorf("--mesh-keys: %w", err)
	}
	return &machine.Mesh{Minter: c, CA: string(ca)}, nil
}
