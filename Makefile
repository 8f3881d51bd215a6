# GenevaDrive. `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)

# What `go test` is given: PKG narrows the packages, TESTFLAGS adds flags, for example
#   make test PKG=./engine/ TESTFLAGS='-run Settle -v'
PKG ?= ./...
TESTFLAGS ?=
FUZZSECONDS ?= 30

.PHONY: help build run demo test race race-short lint generate sdk generate-check vulncheck fuzz fuzz-short chaos chaos-short bench bench-short profile clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## Build bin/genevadrive, a static binary
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/genevadrive ./cmd/server

run: build ## Build and start the service on its embedded default (SQLite, no Redis), to stay
	./bin/genevadrive serve

demo: ## Run two workflows, with a skip, a reattempt and a cancel_if, and watch them; needs Go alone
	@go run ./examples/demo

test: bin/testservers ## Run every test on real PostgreSQL, MariaDB, Redis and SQLite (PKG=, TESTFLAGS=)
	@bin/testservers go test -count=1 -timeout 25m $(TESTFLAGS) $(PKG)

race: bin/testservers ## The same under the race detector, which takes several times as long; needs a C compiler
	@CGO_ENABLED=1 bin/testservers go test -race -count=1 -timeout 60m $(TESTFLAGS) $(PKG)

race-short: ## Of that, the packages whose goroutines share most, and of the engine's tests some, on SQLite
	@$(MAKE) --no-print-directory race PKG="./queue/ ./webhook/ ./telemetry/ ./handlers/"
	@$(MAKE) --no-print-directory race PKG=./engine/ TESTFLAGS="-run '(Chain|MaxInFlight|Speedrun|Callback|Control|Lease|Commit|Sweep).*/sqlite'"

lint: ## gofmt, go vet, staticcheck, and go mod tidy as a check
	@unformatted=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go')); \
		if [ -n "$$unformatted" ]; then echo "gofmt -w would change:"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	go tool staticcheck ./...
	go mod tidy -diff
	staticcheck=$$(go tool -n staticcheck) && cd sdk/go && go vet -tags=server ./... && "$$staticcheck" -tags=server ./... && go mod tidy -diff

generate: ## Write again what is generated: server types, the Go client, documentation tables
	go generate ./...

sdk: sdk/typescript/node_modules/.package-lock.json ## Lint the contract, write and build the TypeScript client; needs Node.js and npm
	cd sdk/typescript && npm run --silent lint && npm run --silent generate && npm run --silent build

sdk/typescript/node_modules/.package-lock.json: sdk/typescript/package-lock.json
	cd sdk/typescript && npm ci && touch node_modules/.package-lock.json

generate-check: ## Fail if make generate or make sdk changes anything
	@before=$$(git status --porcelain; git diff); \
	$(MAKE) --no-print-directory generate sdk; \
	after=$$(git status --porcelain; git diff); \
	if [ "$$before" != "$$after" ]; then \
		echo "generated files are not up to date; run make generate sdk and commit:"; git status --short; exit 1; fi

vulncheck: ## Look for known vulnerabilities, where their database can be reached
	@internal/tools/vulncheck

fuzz: ## Run every fuzz test for FUZZSECONDS (30) each
	@internal/tools/fuzz $(FUZZSECONDS) $(PKG)

fuzz-short: ## Run every fuzz test for 5 s each
	@internal/tools/fuzz 5 $(PKG)

chaos: ## Break servers, databases and Redis under load, and write what was seen to docs/reliability.md
	@go build -o bin/chaos ./chaos
	@bin/chaos -report docs/reliability.md

chaos-short: ## The same with less of everything, in about two minutes
	@go build -o bin/chaos ./chaos
	@bin/chaos -short -parallel 4

bench: ## Measure the service against a hand-written loop, in under 15 minutes, and write docs/performance.md
	@go run ./bench -report docs/performance.md

bench-short: ## A selection of it, in under 3 minutes; prints only
	@go run ./bench -short

profile: ## Profile the service under the benchmark's load, in about 3 minutes, for the compiler: cmd/server/default.pgo
	rm -rf bin/profiles && mkdir -p bin/profiles
	for group in sqlite postgres; do for phase in throughput creates; do \
		go run ./bench -only $$group -phase $$phase -profile bin/profiles; done; done
	go tool pprof -proto bin/profiles/*.pprof >cmd/server/default.pgo

clean: ## Remove what was built
	rm -rf bin coverage.out

.PHONY: bin/testservers
bin/testservers:
	@go build -o $@ ./internal/tools/testservers
