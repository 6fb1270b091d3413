package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"go.etcd.io/etcd/server/v3/embed"
)

// storeQuota is where the store turns read-only. 10,000 objects of 4 KB with 40,000 writes measured 250 MB before compaction.
const storeQuota = 4 << 30

// The store keeps its last writes in memory for members that lag behind, until a snapshot: by default up to 15,000 of them, some hundred MB under load. It has no other members.
const (
	snapshotAfter = 1000
	keptForOthers = 10
)

// startStore runs etcd as the only member of its cluster, on a Unix socket, without a listener for peers: etcd would bind a Unix peer URL as an abstract
// socket, which any local user could reach.
func startStore(ctx context.Context, l Layout) (*embed.Etcd, error) {
	client := url.URL{Scheme: "unix", Path: l.EtcdSocket()}
	// Never bound; etcd wants an address to name its member by.
	peer := url.URL{Scheme: "unix", Path: l.EtcdSocket() + ".peer"}
	cfg := embed.NewConfig()
	cfg.Name = "ingot"
	cfg.Dir = l.Etcd()
	cfg.ListenClientUrls = []url.URL{client}
	cfg.AdvertiseClientUrls = []url.URL{client}
	cfg.ListenPeerUrls = nil
	cfg.AdvertisePeerUrls = []url.URL{peer}
	cfg.InitialCluster = cfg.Name + "=" + peer.String()
	cfg.QuotaBackendBytes = storeQuota
	cfg.SnapshotCount, cfg.SnapshotCatchUpEntries = snapshotAfter, keptForOthers
	cfg.EnableGRPCGateway = false
	cfg.Metrics = "basic"
	cfg.LogLevel = "error"
	cfg.LogOutputs = []string{"stderr"}
	store, err := embed.StartEtcd(cfg)
	if err != nil {
		return nil, fmt.Errorf("start the store in %s: %w", l.Etcd(), err)
	}
	select {
	case <-store.Server.ReadyNotify():
		return store, nil
	case err := <-store.Err():
		store.Close()
		return nil, fmt.Errorf("the store in %s stopped: %w", l.Etcd(), err)
	case <-store.Server.StopNotify():
		store.Close()
		return nil, errors.New("the store stopped while it started: see its last messages")
	case <-ctx.Done():
		store.Close()
		return nil, fmt.Errorf("wait for the store: %w", context.Cause(ctx))
	}
}
