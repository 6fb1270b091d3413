.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

# Pure Go everywhere: static programs, and one build cache for build and test. The race detector needs cgo: see `race`.
export CGO_ENABLED := 0

BIN      := bin
CACHE    := $(CURDIR)/.cache
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
COMMIT   := $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
# The API server reports its own version to kubectl, which can't parse the default.
K8S      := $(shell sed -n 's|^\tk8s.io/kubernetes v||p' go.mod)
K8SMINOR := $(word 2,$(subst ., ,$(K8S)))
LDFLAGS  := -s -w \
  -X github.com/ingotmetal/ingot/internal/version.number=$(VERSION) \
  -X github.com/ingotmetal/ingot/internal/version.commit=$(COMMIT) \
  -X k8s.io/component-base/version.gitVersion=v$(K8S) \
  -X k8s.io/component-base/version.gitMajor=1 \
  -X k8s.io/component-base/version.gitMinor=$(K8SMINOR)

# Packages whose tests start an API server, QEMU, or many machines: `make test` runs them, `make check` doesn't.
SLOW := /test/ /bench/ /internal/controlplane /internal/install /internal/controller/ /internal/role/ \
        /internal/agentimage /internal/bootmedia /internal/lab$$ /internal/lab/debian /internal/lab/qemu
empty :=
space := $(empty) $(empty)
SLOW_PATTERN := $(subst $(space),|,$(strip $(SLOW)))

.PHONY: help
help: ## show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

.PHONY: packages
packages:
	@scripts/install-packages

.PHONY: build
build: core ## build the programs into bin/
	cd mesh && go build -ldflags '$(LDFLAGS)' -o ../$(BIN)/ ./cmd/...

# All but the mesh, whose dependencies take as long to compile as everything else: neither the demo nor the agent waits for them.
.PHONY: core
core:
	@mkdir -p $(BIN)
	go build -ldflags '$(LDFLAGS)' -o $(BIN)/ ./cmd/...

# A Debian version begins with a digit: that of the last tag, or 0 and the number of commits.
DIST       := dist
DEBVERSION := $(shell git describe --tags --match 'v[0-9]*' 2>/dev/null | sed 's/^v//; s/-/+/g' | grep . || echo "0~git$$(git rev-list --count HEAD 2>/dev/null || echo 0).$(COMMIT)")
DEBARCH    := $(shell go env GOARCH)

.PHONY: package
package: ## build the Debian packages of ingot-node, ingot-firewall and ingot-mesh-member into dist/
	@mkdir -p $(DIST)
	go build -ldflags '$(LDFLAGS)' -o $(DIST)/ingot-node ./cmd/ingot-node
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct 2>/dev/null || echo 0) scripts/manual $(abspath $(DIST))/man
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct 2>/dev/null || echo 0) VERSION='$(DEBVERSION)' ARCH=$(DEBARCH) BINARY=$(DIST)/ingot-node MANUAL=$(abspath $(DIST))/man \
	  go tool -modfile=tools/nfpm/go.mod nfpm package --config packaging/node/nfpm.yaml --packager deb --target $(DIST)/ingot-node_$(DEBVERSION)_$(DEBARCH).deb
	cd mesh && go build -ldflags '$(LDFLAGS)' -o $(abspath $(DIST))/ ./cmd/ingot-mesh-member
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct 2>/dev/null || echo 0) VERSION='$(DEBVERSION)' ARCH=$(DEBARCH) BINARY=$(DIST)/ingot-mesh-member \
	  go tool -modfile=tools/nfpm/go.mod nfpm package --config packaging/mesh/nfpm.yaml --packager deb --target $(DIST)/ingot-mesh-member_$(DEBVERSION)_$(DEBARCH).deb
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct 2>/dev/null || echo 0) VERSION='$(DEBVERSION)' \
	  go tool -modfile=tools/nfpm/go.mod nfpm package --config packaging/firewall/nfpm.yaml --packager deb --target $(DIST)/ingot-firewall_$(DEBVERSION)_all.deb

.PHONY: release
release: ## programs, packages, image layout, manual, site, SBOM and checksums, reproducible, into dist/release (INGOT_RELEASE_KEY=FILE signs)
	VERSION='$(DEBVERSION)' COMMIT='$(COMMIT)' scripts/release $(DIST)/release

# The database is on the internet: where it cannot be reached this fails, so it is no part of test.
.PHONY: vuln
vuln: ## ask the Go vulnerability database about every module that a program is made of
	for d in . api mesh; do (cd $$d && go tool -modfile=$(CURDIR)/tools/vuln/go.mod govulncheck ./...) || exit 1; done

.PHONY: agent
agent: core packages ## build the agent's kernel, ramdisk and boot media into .cache/artifacts
	$(BIN)/ingot image build-agent --flavour cloud --output $(CACHE)/artifacts --cache $(CACHE)

.PHONY: image
image: core packages ## build the demo's Debian 12 image into .cache/images
	$(BIN)/ingot image build-debian --output $(CACHE)/images --cache $(CACHE)

# Of what is in the tree, not what was packaged once: dist/ may hold the packages of other commits.
.PHONY: firewall-image
firewall-image: image package ## build the Debian 12 image of a firewall, with ingot-node, ingot-firewall and ingot-mesh-member, into .cache/images/firewall
	$(BIN)/ingot image build-debian --output $(CACHE)/images/firewall --cache $(CACHE) $(foreach p,ingot-node_$(DEBVERSION)_$(DEBARCH) ingot-firewall_$(DEBVERSION)_all ingot-mesh-member_$(DEBVERSION)_$(DEBARCH),--package '$(DIST)/$(p).deb')

.PHONY: lint
lint: ## run the linters
	@unformatted=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); \
	  [ -z "$$unformatted" ] || { echo "not formatted: $$unformatted" >&2; exit 1; }
	go tool -modfile=tools/lint/go.mod golangci-lint run ./...
	cd api && go tool -modfile=../tools/lint/go.mod golangci-lint run ./...
	cd tools && go tool -modfile=lint/go.mod golangci-lint run ./...
	cd mesh && go tool -modfile=../tools/lint/go.mod golangci-lint run ./...
	for m in alerts release; do (cd tools/$$m && go tool -modfile=../lint/go.mod golangci-lint run ./...) || exit 1; done

.PHONY: bound
bound: ## find sockets and flow names that the communication matrix does not bind
	cd tools && go run ./checkbound -root ..

.PHONY: check
check: lint bound ## lint, the matrix's bounds and the quick tests: the inner loop
	go test $$(go list ./... | grep -vE '$(SLOW_PATTERN)')
	cd tools && go test ./...
	cd tools/alerts && go test ./...

.PHONY: test
test: packages generated check agent image firewall-image ## everything: check, the slow tests, and QEMU end to end
	$(MAKE) -j2 slow mesh
	$(MAKE) -j2 releasetest e2e

# Three packages at once: their servers and machines wait for each other often enough to keep two cores busy. The mesh's tests, and virtual machines, wait for most of their time.
.PHONY: slow
slow: packages
	go test -timeout 30m -p 3 $$(go list ./... | grep -E '$(SLOW_PATTERN)' | grep -vE '/test/e2e|/bench/')

.PHONY: releasetest
releasetest: packages
	cd tools/release && go test ./...

.PHONY: mesh
mesh: packages ## the mesh in network namespaces: its coordinator, its relay and its members; part of test
	cd mesh && go test -count=1 -timeout 30m -v ./...

.PHONY: race
race: ## the quick tests of the domain, the drivers and the agent under the race detector (needs gcc)
	CGO_ENABLED=1 go test -race $$(CGO_ENABLED=1 go list ./... | grep -E '/(journey|lifecycle|discover|inspect|prepare|provision|run|clean|netboot|matrix|internal/driver|internal/agent|internal/server)' | grep -v '/internal/agentimage')

.PHONY: docs
docs: ## build docs/ as a static site into dist/site; a link that leads nowhere fails
	go run ./internal/docsite/write -output $(DIST)/site

# Seeds and the first of them: make sim SEEDS=1000 FIRST=20001
SEEDS ?= 10000
FIRST ?= 1

.PHONY: sim
sim: ## 10,000 simulated sites from seeds (SEEDS=, FIRST=); `make test` runs 200
	INGOT_SIM_SEEDS=$(SEEDS) INGOT_SIM_FIRST=$(FIRST) go test -count=1 -timeout 12h -v -run 'TestSeeds$$' ./test/sim/seeded

.PHONY: capm3
capm3: packages ## what CAPM3 asks of hosts, and the real clusterctl's move between two sites; part of test
	go test -count=1 -timeout 30m -v ./test/capm3

.PHONY: fuzz
fuzz: ## every fuzzer in turn (FUZZTIME=30s each; FUZZ=regular expression of packages and names)
	@scripts/fuzz

# Firmware and loaders wait for most of their time: three machines at once keep two cores busy.
.PHONY: e2e
e2e: build agent image firewall-image ## virtual machines from power-on to the installed Debian's report: every way of booting, software RAID, an archive, a partition image
	INGOT_BIN=$(CURDIR)/$(BIN) INGOT_CACHE=$(CACHE) go test -count=1 -timeout 90m -parallel 3 -v ./test/e2e/...

.PHONY: lives
lives: agent image ## where the time goes from power-on to the system's report: every way of booting, by reboot and by kexec (half an hour)
	INGOT_E2E_LIVES=all INGOT_BIN=$(CURDIR)/$(BIN) INGOT_CACHE=$(CACHE) go test -count=1 -timeout 90m -parallel 1 -v -run 'TestLifeOfAVirtualMachine|TestBootsFromAPartitionImage' ./test/e2e

.PHONY: demo
demo: packages core ## a virtual server's whole life, from bare metal to Debian and back (INGOT_DEMO=fast: simulated)
	@INGOT_BIN=$(CURDIR)/$(BIN) INGOT_CACHE=$(CACHE) scripts/demo

.PHONY: bench
bench: packages core ## print the figures: image writing against zstd|dd and qemu-img, 1,000 hosts, 1,000 claims, boot servers
	@INGOT_BIN=$(CURDIR)/$(BIN) INGOT_CACHE=$(CACHE) scripts/bench

# The built front end is committed, so that nothing but the tests needs node (scripts/node finds or fetches one); test/web fails where it is not what the sources give.
.PHONY: web
web: packages ## build the web page's front end from web/ into internal/web/dist
	cd web && ../scripts/node npm ci --no-audit --no-fund && ../scripts/node npm run build

.PHONY: generate
generate: definitions reference ## generate deep copies, CRDs, the reference and the manual

.PHONY: definitions
definitions:
	cd tools && go tool controller-gen object paths=../api/...
	cd tools && go run ./generatecrds -root ..

# Pages made of commands, kinds, the matrix and metrics. The same tests without -update fail where one is stale.
.PHONY: reference
reference:
	go test -count=1 -run 'TestPages?$$' ./test/reference ./test/security -update
	go test -count=1 -run TestReference ./cmd/ingot ./cmd/ingot-node ./cmd/ingot-apiserver -update
	cd mesh && go test -count=1 -run TestReference ./command -update

.PHONY: generated
generated: definitions ## fail where the generated files differ from what is committed
	@git diff --exit-code --stat -- api config || { echo "run make generate and commit" >&2; exit 1; }

.PHONY: clean
clean: ## remove what was built; caches stay
	rm -rf $(BIN) $(DIST)
