package up

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// TestMain is also the roles' program: started as a role, it asks the API server who it is and what it may read, says so in its log, and waits. A role that no test asks for waits only.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "partition" || os.Args[1] == "boot" || os.Args[1] == "serve") {
		os.Exit(role(os.Args[1:]))
	}
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-") {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		<-ctx.Done()
		stop()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func role(args []string) int {
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	i := slices.Index(args, "--kubeconfig")
	cfg, err := clientcmd.BuildConfigFromFlags("", args[i+1])
	if err != nil {
		log.Error("no kubeconfig", "err", err)
		return 1
	}
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		log.Error("no client", "err", err)
		return 1
	}
	for ctx.Err() == nil {
		who, err := client.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
		if err == nil {
			// Where Ingot's own accounts at BMCs stand: the partition role reads there whether there are hosts or not, and the boot role nowhere.
			_, denied := client.CoreV1().Secrets(ingot.BMCNamespace).Get(ctx, "bmc", metav1.GetOptions{})
			log.Info("here", "user", who.Status.UserInfo.Username, "readsSecrets", apierrors.IsNotFound(denied), "args", args, "pid", os.Getpid()) //nolint:sloglint // for the test alone
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	log.Info("told to end")
	return 0
}
