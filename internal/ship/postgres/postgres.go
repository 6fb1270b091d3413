// Package postgres is the sink that keeps the audit trail in PostgreSQL, and in TimescaleDB where it is there.
//
// It owns one table, ingot_audit, which it makes: the columns that people search by, the record as JSON, and the line as it stood, so that the chain can be verified from the table too. With
// TimescaleDB the table is a hypertable by time. It refuses to change or delete rows: a right to insert and select is enough once the table is there. It refuses connections without verified
// TLS, but to this machine.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ingotmetal/ingot/internal/ship"
	"github.com/ingotmetal/ingot/internal/ship/web"
)

// table is made once. A hypertable's unique keys hold its time; a record's time never changes, so that it is unique by its number all the same.
const table = `
CREATE TABLE IF NOT EXISTS ingot_audit (
	installation    text        NOT NULL,
	seq             bigint      NOT NULL,
	time            timestamptz NOT NULL,
	kind            text        NOT NULL,
	user_name       text,
	impersonated_by text,
	verb            text,
	api_group       text,
	resource        text,
	subresource     text,
	namespace       text,
	name            text,
	source          text,
	code            integer,
	reason          text,
	request_id      text,
	hash            text        NOT NULL,
	record          jsonb       NOT NULL,
	line            text        NOT NULL,
	PRIMARY KEY (installation, seq, time)
);
CREATE INDEX IF NOT EXISTS ingot_audit_user ON ingot_audit (user_name, time);
CREATE INDEX IF NOT EXISTS ingot_audit_object ON ingot_audit (resource, namespace, name, time);`

const insert = `
INSERT INTO ingot_audit (installation, seq, time, kind, user_name, impersonated_by, verb, api_group, resource, subresource, namespace, name, source, code, reason, request_id, hash, record, line)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
ON CONFLICT DO NOTHING`

// timeout is for one batch, connecting included.
const timeout = time.Minute

// Sink sends to one database.
type Sink struct {
	config *pgx.ConnConfig
	secret string
	conn   *pgx.Conn
}

// New reads a URL (postgres://user@host:port/database?sslmode=verify-full&sslrootcert=FILE). SecretFile holds the password; empty: none, or what PGPASSFILE says.
func New(target, secretFile string, dial web.Dial) (*Sink, error) {
	config, err := pgx.ParseConfig(target)
	if err != nil {
		return nil, errors.New("the archive's URL cannot be read: write postgres://USER@HOST:PORT/DATABASE?sslmode=verify-full") // the error would repeat a password
	}
	if strings.HasPrefix(config.Host, "/") {
		return nil, fmt.Errorf("the archive is at the Unix socket %s: write the address of a TCP listener, which can be in the matrix", config.Host)
	}
	if !web.Loopback(config.Host) {
		if config.TLSConfig == nil || config.TLSConfig.InsecureSkipVerify || config.TLSConfig.ServerName == "" || len(config.Fallbacks) > 0 {
			return nil, errors.New("the archive's certificate would not be verified: add sslmode=verify-full to its URL, and sslrootcert=FILE for a CA of your own")
		}
	}
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		return dial(ctx, network, address)
	}
	// The matrix has a way to ask for names; dial takes it.
	config.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	return &Sink{config: config, secret: secretFile}, nil
}

// Send is of ship.Sink. All rows of a batch are there, or none.
func (s *Sink) Send(ctx context.Context, installation string, batch []ship.Item) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := s.connect(ctx); err != nil {
		return err
	}
	err := pgx.BeginFunc(ctx, s.conn, func(tx pgx.Tx) error {
		var rows pgx.Batch
		for _, i := range batch {
			rows.Queue(insert, row(installation, i)...)
		}
		return tx.SendBatch(ctx, &rows).Close()
	})
	if err != nil {
		s.Close(ctx)
		return fmt.Errorf("insert records %d to %d into the audit archive: %w", batch[0].Record.Seq, batch[len(batch)-1].Record.Seq, err)
	}
	return nil
}

// Close ends the connection; the next Send makes another.
func (s *Sink) Close(ctx context.Context) {
	if s.conn != nil {
		_ = s.conn.Close(ctx) // it is given up either way
		s.conn = nil
	}
}

func (s *Sink) connect(ctx context.Context) error {
	if s.conn != nil && !s.conn.IsClosed() {
		return nil
	}
	config := s.config.Copy()
	if s.secret != "" {
		password, err := os.ReadFile(s.secret)
		if err != nil {
			return fmt.Errorf("read the password for the audit archive: %w", err)
		}
		config.Password = strings.TrimSpace(string(password))
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("connect to the audit archive: %w", err)
	}
	if err := prepare(ctx, conn); err != nil {
		return errors.Join(err, conn.Close(ctx))
	}
	s.conn = conn
	return nil
}

// prepare makes the table where it is not there: an account that may only insert finds it made.
func prepare(ctx context.Context, conn *pgx.Conn) error {
	var there, timescale bool
	err := conn.QueryRow(ctx, `SELECT to_regclass('ingot_audit') IS NOT NULL, EXISTS (SELECT FROM pg_proc WHERE proname = 'create_hypertable')`).Scan(&there, &timescale)
	if err != nil {
		return fmt.Errorf("look for the table ingot_audit: %w", err)
	}
	if there {
		return nil
	}
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, table); err != nil {
			return err
		}
		if timescale {
			_, err := tx.Exec(ctx, `SELECT create_hypertable('ingot_audit', 'time', if_not_exists => true)`)
			return err
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("make the table ingot_audit: %w", err)
	}
	return nil
}

// row is an item's values, in the order of insert.
func row(installation string, i ship.Item) []any {
	r := i.Record
	values := []any{installation, int64(r.Seq), r.Time, string(r.Kind)} // 2^63 records take longer than the trail will live
	if q := r.Request; q != nil {
		values = append(values, text(q.User), text(q.ImpersonatedBy), text(q.Verb))
		if o := q.Object; o != nil {
			values = append(values, text(o.Group), text(o.Resource), text(o.Subresource), text(o.Namespace), text(o.Name))
		} else {
			values = append(values, nil, nil, nil, nil, nil)
		}
		values = append(values, text(q.From), q.Code, text(q.Reason), text(q.ID))
	} else {
		values = append(values, make([]any, 12)...)
	}
	// PostgreSQL's text and jsonb hold no zero character; JSON's escape of it stays in the line as it is.
	return append(values, r.Hash, strings.ReplaceAll(string(i.Line), `\u0000`, `\ufffd`), string(i.Line))
}

// text is nil for an empty one, and without what PostgreSQL has no text for.
func text(s string) any {
	if s == "" {
		return nil
	}
	return strings.ReplaceAll(s, "\x00", "\ufffd")
}
