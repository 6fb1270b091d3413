package qemu

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// maxLine bounds one message of the monitor; the largest that is asked for is far smaller.
const maxLine = 1 << 20

// message is any of QMP's answers (docs/interop/qmp-spec.rst).
type message struct {
	Greeting json.RawMessage `json:"QMP"`
	ID       int             `json:"id"`
	Return   json.RawMessage `json:"return"`
	Error    *struct {
		Class string `json:"class"`
		Desc  string `json:"desc"`
	} `json:"error"`
	Event string          `json:"event"`
	Data  json.RawMessage `json:"data"`
}

// shutdownData is the data of the event SHUTDOWN.
type shutdownData struct {
	Guest  bool   `json:"guest"`
	Reason string `json:"reason"`
}

// monitor is a QMP connection.
type monitor struct {
	conn  io.ReadWriteCloser
	event func(name string, data json.RawMessage)

	// mu guards what follows.
	mu      sync.Mutex
	nextID  int
	waiting map[int]chan message
	ended   bool
}

var errMonitorEnded = errors.New("the monitor's connection ended")

// openMonitor negotiates and then reads answers and events until the connection ends. Event is called from the reader.
func openMonitor(ctx context.Context, conn io.ReadWriteCloser, event func(string, json.RawMessage)) (*monitor, error) {
	m := &monitor{conn: conn, event: event, waiting: map[int]chan message{}}
	greeted := make(chan struct{})
	go m.read(greeted)
	select {
	case <-greeted:
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the monitor's greeting: %w", ctx.Err())
	}
	if err := m.execute(ctx, "qmp_capabilities", nil); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *monitor) read(greeted chan<- struct{}) {
	lines := bufio.NewScanner(m.conn)
	lines.Buffer(make([]byte, 0, 4096), maxLine)
	for lines.Scan() {
		var got message
		if json.Unmarshal(lines.Bytes(), &got) != nil {
			break
		}
		switch {
		case got.Greeting != nil && greeted != nil:
			close(greeted)
			greeted = nil
		case got.Event != "":
			m.event(got.Event, got.Data)
		default:
			m.answer(got)
		}
	}
	m.end()
	if greeted != nil {
		close(greeted)
	}
}

func (m *monitor) answer(got message) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.waiting[got.ID]; c != nil {
		c <- got
		delete(m.waiting, got.ID)
	}
}

func (m *monitor) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ended = true
	for id, c := range m.waiting {
		close(c)
		delete(m.waiting, id)
	}
}

// execute sends one command and waits until it is done.
func (m *monitor) execute(ctx context.Context, command string, arguments map[string]any) error {
	_, err := m.ask(ctx, command, arguments)
	return err
}

// ask sends one command and waits for its answer.
func (m *monitor) ask(ctx context.Context, command string, arguments map[string]any) (json.RawMessage, error) {
	reply, err := m.send(command, arguments)
	if err != nil {
		return nil, fmt.Errorf("monitor command %s: %w", command, err)
	}
	select {
	case got, ok := <-reply:
		switch {
		case !ok:
			return nil, fmt.Errorf("monitor command %s: %w", command, errMonitorEnded)
		case got.Error != nil:
			return nil, fmt.Errorf("monitor command %s: %s: %s", command, got.Error.Class, got.Error.Desc)
		}
		return got.Return, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("monitor command %s: %w", command, ctx.Err())
	}
}

func (m *monitor) send(command string, arguments map[string]any) (<-chan message, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended {
		return nil, errMonitorEnded
	}
	m.nextID++
	request := map[string]any{"execute": command, "id": m.nextID}
	if arguments != nil {
		request["arguments"] = arguments
	}
	line, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	if _, err := m.conn.Write(append(line, '\n')); err != nil {
		return nil, err
	}
	reply := make(chan message, 1)
	m.waiting[m.nextID] = reply
	return reply, nil
}
