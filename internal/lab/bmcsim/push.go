package bmcsim

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
)

// Where images are pushed to (UpdateService, DSP8010): a form, or the image alone.
const (
	multipartPush = updatePath + "/update-multipart"
	octetPush     = updatePath + "/update"
	// maxPushBytes is MaxImageSizeBytes.
	maxPushBytes = 1 << 30
)

// pushTo is where images are sent; empty where they are not.
func (p Personality) pushTo() string {
	switch {
	case p.NoUpdates || p.NoPush:
		return ""
	case p.OctetPush:
		return octetPush
	}
	return multipartPush
}

// PushedImage is an image that was sent to a BMC, whole.
type PushedImage struct {
	// File is the name that came with it, SHA256 its digest in hexadecimal digits.
	File, SHA256 string
	Bytes        int64
}

// FirmwarePushed are the images that the BMC was sent, in order.
func (b *BMC) FirmwarePushed() []PushedImage {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.updates.pushed)
}

// received is a body with an image.
type received struct {
	is    PushedImage
	image firmwareImage
	// when is the apply time of the form.
	when string
	// refused is what is wrong with the body, nil for nothing; torn: the connection ended in it.
	refused *reply
	torn    bool
}

// receive reads a body as it comes and keeps of it what an image says in its beginning. BMCs' servers know bodies by their length.
func (b *BMC) receive(r *http.Request) *received {
	out := &received{}
	deny := func(status int, id, message string) *received {
		rep := refuse(status, id, message)
		out.refused = &rep
		return out
	}
	b.mu.Lock()
	cut := b.faults.set.CutPushAt
	b.mu.Unlock()
	body := io.Reader(r.Body)
	switch {
	case r.ContentLength < 0:
		return deny(http.StatusLengthRequired, "MissingOrMalformedPart", "The request has no length.")
	case r.ContentLength > maxPushBytes:
		return deny(http.StatusRequestEntityTooLarge, "PayloadTooLarge", "The image is too large.")
	case cut > 0 && r.ContentLength > cut:
		_, _ = io.CopyN(io.Discard, body, cut) // the connection ends here in any case
		panic(http.ErrAbortHandler)
	}
	if b.who.OctetPush {
		if kind := r.Header.Get("Content-Type"); kind != "application/octet-stream" {
			return deny(http.StatusUnsupportedMediaType, "UnsupportedMediaType", "The media type "+kind+" is not supported.")
		}
		out.torn = out.take(body, "") != nil
		return out
	}
	kind, words, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		return deny(http.StatusUnsupportedMediaType, "UnsupportedMediaType", "A multipart form is needed.")
	}
	switch wrong, err := out.form(multipart.NewReader(body, words["boundary"])); {
	case err != nil:
		out.torn = true
	case wrong != "":
		return deny(http.StatusBadRequest, "MissingOrMalformedPart", wrong)
	}
	return out
}

// form reads the parts in the order of DSP0266 §12.6.2: the parameters before the file.
func (v *received) form(parts *multipart.Reader) (wrong string, err error) {
	parameters, file := false, false
	for {
		p, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
		switch name := p.FormName(); {
		case name == "UpdateParameters" && !parameters:
			var ask struct {
				Targets []string
				When    string `json:"@Redfish.OperationApplyTime"`
			}
			d := json.NewDecoder(io.LimitReader(p, maxBody))
			d.DisallowUnknownFields()
			if err := d.Decode(&ask); err != nil || p.Header.Get("Content-Type") != "application/json" {
				return "The part UpdateParameters could not be read: " + fmt.Sprint(err), nil
			}
			parameters, v.when = true, ask.When
		case name == "UpdateFile" && parameters && !file:
			if err := v.take(p, p.FileName()); err != nil {
				return "", err
			}
			file = true
		default:
			return "The part " + name + " is not known, or is at the wrong place.", nil
		}
	}
	if !file {
		return "The part UpdateFile is missing.", nil
	}
	return "", nil
}

// take reads an image. What it says stands in its first bytes; the rest only counts.
func (v *received) take(from io.Reader, name string) error {
	sum, head := sha256.New(), &bytes.Buffer{}
	n, err := io.CopyN(io.MultiWriter(sum, head), from, 4096)
	if err == nil {
		var rest int64
		rest, err = io.Copy(sum, from)
		n += rest
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	v.is = PushedImage{File: name, SHA256: hex.EncodeToString(sum.Sum(nil)), Bytes: n}
	if json.NewDecoder(head).Decode(&v.image) != nil {
		v.image = firmwareImage{}
	}
	return nil
}

// pushedUpdate writes an image that was sent.
func (b *BMC) pushedUpdate(c *call) reply {
	v := c.push
	switch {
	case v.torn:
		return refuse(http.StatusBadRequest, "MissingOrMalformedPart", "The request ended in the image.")
	case v.refused != nil:
		return *v.refused
	case strings.TrimSpace(v.image.Version) == "":
		return refuse(http.StatusBadRequest, "ActionParameterValueError", "The image is no firmware of this machine.")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.updates.pushed = append(b.updates.pushed, v.is)
	if b.who.UpdateWantsTime && v.when != "Immediate" {
		return noContent()
	}
	return b.beginUpdate(c, func() (firmwareImage, error) { return v.image, nil })
}
