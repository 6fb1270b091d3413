package redfish

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stmcginnis/gofish/redfish"

	"github.com/ingotmetal/ingot/step"
)

// follow waits for the end of what a 202 answer began (DSP0266 §12.2). Where the BMC says nothing by which the end could be known, it does not wait: the
// caller has to look at the result itself.
func (c *client) follow(ctx context.Context, a *answer, mask ...string) error {
	if a.status != http.StatusAccepted {
		return nil
	}
	path := taskOf(a)
	if path == "" {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.opts.FollowTimeout, faultf(step.Timeout, "task %s did not end within %s", path, c.opts.FollowTimeout))
	defer cancel()
	for polls := 0; ; polls++ {
		ended, wait, err := c.poll(ctx, path, mask)
		switch {
		case polls > 0 && (statusOf(err) == http.StatusNotFound || statusOf(err) == http.StatusGone):
			// The task was seen, ended, and was cleared away before we looked again.
			return nil
		case err != nil || ended:
			return err
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// taskOf is where the task, or its monitor, of a 202 answer is; empty where the BMC does not say.
func taskOf(a *answer) link {
	if path := linkOf(a.header.Get("Location")); path != "" {
		return path
	}
	var t task
	if json.Unmarshal(a.body, &t) != nil {
		return ""
	}
	if path := linkOf(string(t.TaskMonitor)); path != "" {
		return path
	}
	return t.ID
}

// glance looks once at what a 202 answer began: for a task that ends only with the machine's next boot. A task that failed already is an error, one that goes on is none.
func (c *client) glance(ctx context.Context, a *answer) error {
	path := link("")
	if a.status == http.StatusAccepted {
		path = taskOf(a)
	}
	if path == "" {
		return nil
	}
	_, _, err := c.poll(ctx, path, nil)
	if absent(err) {
		// Tasks of the past are not kept everywhere.
		return nil
	}
	return err
}

// poll looks at a task or a task monitor once.
func (c *client) poll(ctx context.Context, path link, mask []string) (ended bool, wait time.Duration, err error) {
	a, err := c.do(ctx, request{method: http.MethodGet, path: path, mask: mask})
	if err != nil {
		return false, 0, err
	}
	wait = c.opts.PollInterval
	if s, err := strconv.Atoi(a.header.Get("Retry-After")); err == nil && s > 0 && s <= 60 {
		wait = max(wait, time.Duration(s)*time.Second)
	}
	var t task
	if len(a.body) == 0 || json.Unmarshal(a.body, &t) != nil || t.TaskState == "" {
		// A task monitor answers 202 while the task runs, and then what the request would have been answered without a task.
		return a.status != http.StatusAccepted, wait, nil //nolint:nilerr // what is no task is the answer itself; who asked reads it
	}
	state := redfish.TaskState(t.TaskState)
	switch {
	case state == redfish.CompletedTaskState:
		if strings.EqualFold(string(t.TaskStatus), "Critical") {
			return true, 0, taskFailed(path, t, mask)
		}
		return true, 0, nil
	case slices.Contains([]redfish.TaskState{redfish.ExceptionTaskState, redfish.KilledTaskState, redfish.CancelledTaskState, redfish.InterruptedTaskState}, state):
		return true, 0, taskFailed(path, t, mask)
	}
	return false, wait, nil
}

func taskFailed(path link, t task, mask []string) error {
	var words []string
	for _, m := range t.TaskMessages {
		if m.Message != "" {
			words = append(words, string(m.Message))
		}
	}
	said := hide(strings.Join(words, "; "), mask)
	if said == "" {
		said = "the BMC gives no reason"
	}
	return faultf(step.Internal, "task %s ended as %s: %s", path, clip(string(t.TaskState), 40), clip(said, maxSaid))
}

// sleep waits, and says why where the context ends first.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return gaveUp(ctx)
	}
}
