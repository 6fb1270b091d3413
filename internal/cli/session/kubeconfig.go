package session

import (
	"fmt"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/internal/driver/socket/kernel"
	"github.com/ingotmetal/ingot/matrix"
)

// Kubeconfig is the file that the session reads, as it stands, with the context asked for.
func (s *Session) Kubeconfig() (api.Config, error) {
	config, err := s.access().GetStartingConfig()
	if err != nil {
		return api.Config{}, fmt.Errorf("read the kubeconfig: %w", err)
	}
	if s.context != "" {
		config.CurrentContext = s.context
	}
	return *config, nil
}

// WriteKubeconfig stores what changed. The file is for its owner alone when it is made.
func (s *Session) WriteKubeconfig(config api.Config) error {
	if err := clientcmd.ModifyConfig(s.access(), config, true); err != nil {
		return fmt.Errorf("write the kubeconfig: %w", err)
	}
	return nil
}

func (s *Session) access() *clientcmd.PathOptions {
	o := clientcmd.NewDefaultPathOptions()
	o.LoadingRules.ExplicitPath = s.kubeconfig
	return o
}

// Bound is the operator's way to the network.
func (s *Session) Bound() *socket.Bound {
	return socket.Bind(matrix.Operator, matrix.Builtin(), kernel.Network{})
}
