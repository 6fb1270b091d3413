// Package wire is what is said about a console beside its bytes, between the program in front of a person, the console role and the partition role.
//
// It owns the messages over a WebSocket (RFC 6455): binary ones are the console's bytes in both directions, text ones are a Message as JSON. It refuses to open connections.
//
// Invariants: a message is bounded by MaxMessage; an unknown type is passed over, so that either end may be newer.
package wire

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/gorilla/websocket"
)

// MaxMessage bounds a message, in bytes.
const MaxMessage = 64 << 10

// The times of a connection: what is not taken within Patience ends it; a Ping is sent each Beat, and an end that was silent for Silence is gone.
const (
	Patience = 20 * time.Second
	Beat     = 20 * time.Second
	Silence  = 60 * time.Second
)

// Type says what a Message is.
type Type string

// The types.
const (
	// Begin is the first one to a person: whose console it is, and whether they type.
	Begin Type = "begin"
	// Notice is a line for the person between the machine's.
	Notice Type = "notice"
	// Writer says whether this person's keyboard is heard now.
	Writer Type = "writer"
	// TakeOver is the person's wish to type.
	TakeOver Type = "take-over"
	// End is the last one, with the reason.
	End Type = "end"
)

// Message is said beside the bytes.
type Message struct {
	Type Type   `json:"type"`
	Text string `json:"text,omitempty"`
	// Reason is console.Reason, or the partition role's step.FailureKind; Final: trying again is of no use.
	Reason string `json:"reason,omitempty"`
	Final  bool   `json:"final,omitempty"`
	// Writer is with Begin and Writer.
	Writer bool `json:"writer,omitempty"`
	// Recording is the ID of the session's, with Begin.
	Recording string `json:"recording,omitempty"`
}

// Send writes a message. The caller writes from one goroutine.
func Send(c *websocket.Conn, m Message) error {
	text, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("write a console message: %w", err)
	}
	if err := c.SetWriteDeadline(time.Now().Add(Patience)); err != nil {
		return err
	}
	return c.WriteMessage(websocket.TextMessage, text)
}

// SendBytes writes what a console or a keyboard said.
func SendBytes(c *websocket.Conn, p []byte) error {
	if err := c.SetWriteDeadline(time.Now().Add(Patience)); err != nil {
		return err
	}
	return c.WriteMessage(websocket.BinaryMessage, p)
}

// Read gives the next bytes, or the next message.
func Read(c *websocket.Conn) (p []byte, m *Message, err error) {
	for {
		kind, text, err := c.ReadMessage()
		if err != nil {
			return nil, nil, err
		}
		if kind == websocket.BinaryMessage {
			return text, nil, nil
		}
		if m, err := Parse(text); err == nil {
			return nil, &m, nil
		}
	}
}

// Parse reads a message.
func Parse(text []byte) (Message, error) {
	var m Message
	if len(text) > MaxMessage {
		return m, fmt.Errorf("read a console message: it has %d bytes, at most %d are read", len(text), MaxMessage)
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return Message{}, fmt.Errorf("read a console message: %w", err)
	}
	return m, nil
}

// Alive lets a connection's reads end when the other end is gone: it must be read from all the time.
func Alive(c *websocket.Conn) {
	c.SetReadLimit(MaxMessage)
	_ = c.SetReadDeadline(time.Now().Add(Silence)) // fails with the next read
	c.SetPongHandler(func(string) error { return c.SetReadDeadline(time.Now().Add(Silence)) })
	answer := c.PingHandler()
	c.SetPingHandler(func(text string) error {
		if err := c.SetReadDeadline(time.Now().Add(Silence)); err != nil {
			return err
		}
		return answer(text)
	})
}

// Ping asks whether the other end is there. It may be called while another goroutine writes.
func Ping(c *websocket.Conn) error {
	return c.WriteControl(websocket.PingMessage, nil, time.Now().Add(Patience))
}
