package clientcmd

import "k8s.io/client-go/rest"

func BuildConfigFromFlags(url, file string) (*rest.Config, error) { return nil, nil }

type ClientConfig interface {
	ClientConfig() (*rest.Config, error)
}
