// Package verified fetches a whole file into a private place and gives it to nobody before its digest was right.
//
// It owns the bound of size, the private file, and how many are fetched at once. It refuses to dial: the transport is given, so that every connection stays a flow of the communication matrix; where a file may come from is
// package fetch's to say. The file is no image of a disk and is not unpacked: the digest is that of the bytes as the server has them.
//
// Invariants: the file has no name once it is open, so that it goes with the process whatever happens; memory does not depend on its size; a File's bytes have the digest that was asked for.
package verified

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"golang.org/x/sys/unix"

	"github.com/ingotmetal/ingot/internal/image/fetch"
	"github.com/ingotmetal/ingot/step"
)

// Options are how files are fetched.
type Options struct {
	// Transport makes the connections for one URL. Required. Its dialer should ask fetch.Policy.Address about the addresses that names resolve to.
	Transport func(policy fetch.Policy) http.RoundTripper
	// Folder is where the files are; empty: the system's for temporary ones.
	Folder string
	// MaxBytes is the largest file; 0: 1 GiB. AtOnce is how many are held at once; 0: 4.
	MaxBytes int64
	AtOnce   int
	Retry    fetch.Retry
}

// Fetcher fetches. It is safe for several goroutines.
type Fetcher struct {
	o     Options
	slots chan struct{}
}

// New makes a fetcher.
func New(o Options) *Fetcher {
	if o.MaxBytes <= 0 {
		o.MaxBytes = 1 << 30
	}
	if o.AtOnce <= 0 {
		o.AtOnce = 4
	}
	return &Fetcher{o: o, slots: make(chan struct{}, o.AtOnce)}
}

// File is a file whose digest was right. It takes a place of the fetcher's until it is closed.
type File struct {
	file *os.File
	size int64
	free func()
}

// ReadAt implements io.ReaderAt.
func (f *File) ReadAt(p []byte, off int64) (int, error) { return f.file.ReadAt(p, off) }

// Size is in bytes.
func (f *File) Size() int64 { return f.size }

// Close implements io.Closer. It is called once.
func (f *File) Close() error {
	defer f.free()
	return f.file.Close()
}

// ErrBusy is when as many files as may be are held already.
var ErrBusy = errors.New("as many files are being fetched as may be at once")

// Fetch fetches a file, whose digest is in hexadecimal digits. Errors are *step.Failure, except ErrBusy and when the context was cancelled.
func (f *Fetcher) Fetch(ctx context.Context, url, digest string) (*File, error) {
	select {
	case f.slots <- struct{}{}:
	default:
		return nil, ErrBusy
	}
	file, size, err := f.fetch(ctx, url, digest)
	if err != nil {
		<-f.slots
		return nil, err
	}
	return &File{file: file, size: size, free: func() { <-f.slots }}, nil
}

func (f *Fetcher) fetch(ctx context.Context, url, digest string) (*os.File, int64, error) {
	policy, err := fetch.PolicyOf(url)
	if err != nil {
		return nil, 0, err
	}
	client := fetch.Client{Transport: f.o.Transport(policy), Retry: f.o.Retry}
	stream, err := client.Open(ctx, url)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = stream.Close() }() // it was only read
	if stream.Size() > f.o.MaxBytes {
		return nil, 0, tooLarge(stream.URL(), f.o.MaxBytes)
	}
	file, err := private(f.o.Folder)
	if err != nil {
		return nil, 0, err
	}
	size, err := f.keep(file, stream, digest)
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, size, nil
}

func (f *Fetcher) keep(file *os.File, stream *fetch.Stream, digest string) (int64, error) {
	sum := sha256.New()
	// Plain readers and writers: a file that reads by itself would take its own way past the sum.
	size, err := io.Copy(struct{ io.Writer }{io.MultiWriter(file, sum)}, struct{ io.Reader }{io.LimitReader(stream, f.o.MaxBytes+1)})
	var own *step.Failure
	switch {
	case errors.As(err, &own):
		return 0, own
	case errors.Is(err, unix.ENOSPC):
		return 0, &step.Failure{Kind: step.Internal, Message: fmt.Sprintf("keep %s: %v", stream.URL(), err), Fix: "make room where the partition role has its temporary files"}
	case err != nil:
		return 0, err
	case size > f.o.MaxBytes:
		return 0, tooLarge(stream.URL(), f.o.MaxBytes)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != digest {
		return 0, &step.Failure{Kind: step.Invalid, Message: fmt.Sprintf("the digest of %s is wrong: it has sha256 %s, and %s was expected", stream.URL(), got, digest), Fix: "correct the digest, or replace the file"}
	}
	return size, nil
}

func tooLarge(url string, most int64) error {
	return &step.Failure{Kind: step.Invalid, Message: fmt.Sprintf("%s has more than %d bytes, which is too large for its purpose", url, most), Fix: "correct the URL"}
}

// private is a file of this process alone, which has no name any more.
func private(folder string) (*os.File, error) {
	file, err := os.CreateTemp(folder, "ingot-file-")
	if err == nil {
		if err = os.Remove(file.Name()); err != nil {
			err = errors.Join(err, file.Close())
		}
	}
	if err != nil {
		return nil, &step.Failure{Kind: step.Internal, Message: fmt.Sprintf("make a private file: %v", err), Fix: "make a folder for temporary files that the partition role may write to"}
	}
	return file, nil
}
