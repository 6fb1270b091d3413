// Package audit is `ingot audit`: reading and verifying the trail of who did what.
//
// It owns its verbs, their filters and tables. It refuses to judge: package audit verifies, the same as for whoever reads the files. It reads through the API server with the rights of
// whoever calls it, which is recorded there, or files on hand, where the file system says who may.
package audit

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/client-go/kubernetes"

	"github.com/ingotmetal/ingot/audit"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/trail"
)

// The paths at the API server. internal/controlplane/auditing serves them; a test there holds the two together.
const (
	recordsPath = "/audit/records"
	linesPath   = "/audit/lines"
	headPath    = "/audit/head"
)

// Command is `ingot audit`.
func Command(s *session.Session) *cobra.Command {
	c := &cobra.Command{
		Use:   "audit",
		Short: "Read and verify the trail of who did what",
		Long: "The API server of ingot up keeps a record of every change and every read of a Secret: who, what, from where, and what became of it. Each record holds the hash of the one " +
			"before it, and checkpoints are signed, so that one that is altered or missing shows. To read the trail takes the right to get /audit/*.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	s.AddFlags(c)
	c.AddCommand(listCommand(s), getCommand(s), verifyCommand(s))
	return c
}

// lines calls take with each line that a filter chooses, from a folder or the API server. A nil filter is for all lines as they stand.
func lines(ctx context.Context, s *session.Session, dir string, f audit.Filter, follow bool, take func(line []byte) error) error {
	if dir != "" {
		return local(ctx, dir, f, follow, take)
	}
	query := f.Values()
	if follow {
		query.Set("follow", "true")
	}
	return remote(ctx, s, recordsPath+"?"+query.Encode(), take)
}

// local reads the files of a folder.
func local(ctx context.Context, dir string, f audit.Filter, follow bool, take func(line []byte) error) error {
	return trail.Follow(ctx, dir, max(f.After+1, f.Seq), follow, func(line trail.Line) error {
		if !f.Chooses(line.Text) {
			return nil
		}
		return take(line.Text)
	})
}

// remote reads lines from the API server.
func remote(ctx context.Context, s *session.Session, path string, take func(line []byte) error) error {
	client, err := clientset(s)
	if err != nil {
		return err
	}
	stream, err := client.Discovery().RESTClient().Get().RequestURI(path).Stream(ctx)
	if err != nil {
		return fmt.Errorf("read the audit trail from the API server (the right to get /audit/* is needed; --dir reads files): %w", err)
	}
	defer stream.Close()
	return scan(stream, take)
}

func clientset(s *session.Session) (*kubernetes.Clientset, error) {
	config, err := s.RESTConfig()
	if err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connect to the API server %s: %w", config.Host, err)
	}
	return client, nil
}

func scan(from io.Reader, take func(line []byte) error) error {
	in := bufio.NewScanner(from)
	in.Buffer(nil, 2*audit.MaxLine)
	for in.Scan() {
		if err := take(in.Bytes()); err != nil {
			return err
		}
	}
	if err := in.Err(); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("read the audit trail: %w", err)
	}
	return nil
}

// dirFlag adds --dir.
func dirFlag(c *cobra.Command, dir *string) {
	c.Flags().StringVar(dir, "dir", "", "folder of the trail's files, like DATA-DIR/audit, instead of the API server")
	_ = c.MarkFlagDirname("dir")
}

// exists says early that a folder is not there, rather than that it is empty.
func exists(dir string) error {
	if dir == "" {
		return nil
	}
	if _, err := os.Stat(dir); err != nil {
		return fmt.Errorf("--dir: %w", err)
	}
	return nil
}
