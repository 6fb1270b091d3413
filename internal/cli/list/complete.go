package list

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingotmetal/ingot/internal/cli/complete"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
)

// maxValues is how many values of a column are offered: more than a person reads through.
const maxValues = 200

// complete offers columns for --sort-by, columns and then their live values for --filter, and live values for each filter with a flag of its own.
func (n Noun[T]) complete(s *session.Session, c *cobra.Command) {
	keys := print.Keys(n.columns(time.Time{}, true))
	_ = c.RegisterFlagCompletionFunc("sort-by", func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		done, last := "", typed
		if i := strings.LastIndexByte(typed, ','); i >= 0 {
			done, last = typed[:i+1], typed[i+1:]
		}
		if strings.HasPrefix(last, "-") {
			done += "-"
		}
		return prefixed(done, keys, ""), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveKeepOrder
	})
	_ = c.RegisterFlagCompletionFunc("filter", func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		key, _, ok := strings.Cut(typed, "=")
		if !ok {
			return prefixed("", keys, "="), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveKeepOrder
		}
		return prefixed(key+"=", n.values(cmd.Context(), s, strings.TrimSuffix(key, "!")), ""), cobra.ShellCompDirectiveNoFileComp
	})
	for _, column := range n.Columns(time.Time{}) {
		if column.Flag != "" {
			_ = c.RegisterFlagCompletionFunc(column.Flag, func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
				return n.values(cmd.Context(), s, column.Key()), cobra.ShellCompDirectiveNoFileComp
			})
		}
	}
}

func prefixed(before string, all []string, after string) []string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = before + s + after
	}
	return out
}

// values are what a column has in the rows that there are.
func (n Noun[T]) values(ctx context.Context, s *session.Session, key string) []string {
	return complete.Live(ctx, s, "values of "+n.Plural+" "+key, func(ctx context.Context, c client.WithWatch, namespace string) ([]string, error) {
		if n.Cluster {
			namespace = ""
		}
		rows, err := n.shown(ctx, s.Hurried(complete.Limit), c, client.ListOptions{Namespace: namespace})
		if err != nil {
			return nil, err
		}
		var values []string
		for _, column := range n.columns(time.Now(), true) {
			if column.Key() != key {
				continue
			}
			for _, row := range rows {
				if cell := column.Cell(row); cell != "" {
					values = append(values, cell)
				}
			}
		}
		slices.SortFunc(values, print.ByCell)
		values = slices.Compact(values)
		return values[:min(len(values), maxValues)], nil
	})
}
