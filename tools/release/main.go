// Command release makes what stands beside the programs of a release: an OCI image layout, an SBOM, checksums, and their signature. scripts/release calls it.
//
// It owns the forms: OCI image layout 1.1, SPDX 2.3 as JSON, sha256sum's lines, and minisign's keys and signatures, so that people verify with tools that they have. It refuses to build programs and to push images.
//
// Invariant: the same programs and the same SOURCE_DATE_EPOCH give the same bytes; only signatures hold nothing of the time either.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

const usage = `usage:
  release image -version V -output FOLDER PROGRAM...   an OCI image layout with the programs in /usr/bin
  release sbom -version V -output FILE -page FOLDER -lock FILE PROGRAM...
                                                       what the programs are made of, as SPDX 2.3: Go modules, and npm's packages in the built web page
  release sums FOLDER                                  SHA256SUMS of every file below a folder
  release sign -key KEY FILE                           FILE.minisig by an Ed25519 key in PEM (openssl genpkey -algorithm ed25519), and the public half beside it
  release verify -key PUBLIC FILE                      whether FILE.minisig is of that key`

func run(args []string) error {
	if len(args) == 0 {
		return errors.New(usage)
	}
	set := flag.NewFlagSet("release", flag.ContinueOnError)
	version := set.String("version", "", "")
	output := set.String("output", "", "")
	key := set.String("key", "", "")
	built, lock := set.String("page", "", ""), set.String("lock", "", "")
	if err := set.Parse(args[1:]); err != nil {
		return errors.New(usage)
	}
	rest := set.Args()
	if len(rest) == 0 {
		return errors.New(usage)
	}
	switch args[0] {
	case "image":
		at, err := epoch()
		if err != nil {
			return err
		}
		return writeImage(*output, *version, at, rest)
	case "sbom":
		at, err := epoch()
		if err != nil {
			return err
		}
		web, err := readPage(*built, *lock)
		if err != nil {
			return err
		}
		return writeSBOM(*output, *version, at, web, rest)
	case "sums":
		return writeSums(rest[0])
	case "sign":
		return signFile(*key, rest[0])
	case "verify":
		return verifyFile(*key, rest[0])
	default:
		return errors.New(usage)
	}
}

// epoch is the time that everything is dated with: SOURCE_DATE_EPOCH (reproducible-builds.org), which the script takes from the commit.
func epoch() (time.Time, error) {
	s, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH must be the commit's time in seconds since 1970: %w", err)
	}
	return time.Unix(s, 0).UTC(), nil
}
