# Every part of `make test` runs alone too. `make test` is exactly what CI runs.

STATICCHECK_VERSION := v0.8.2
STATICCHECK := bin/staticcheck-$(STATICCHECK_VERSION)
FUZZTIME ?= 30s
SOAK_FUZZTIME ?= 10m
HISTORY_SECONDS ?= 600
SOAK_LETTERS ?= 100000

# A trailing ",direct" can wait for ever for a host that does not answer.
comma := ,
export GOPROXY := $(patsubst %$(comma)direct,%,$(shell go env GOPROXY 2>/dev/null))

# $(call part,commands) runs the commands of one part, prints how long they took, and fails if one of them failed.
part = @start=$$(date +%s); echo "== $@"; (set -e; $(1)); status=$$?; \
	echo "== $@: $$(( $$(date +%s) - start )) s"; exit $$status

.PHONY: help build test install fmt vet lint unit postgres e2e faults fuzz bench soak man
.NOTPARALLEL:
.DEFAULT_GOAL := help

help: ## this list
	@sed -n 's/^\([a-z0-9]*\):.*## \(.*\)/  make \1	\2/p' Makefile

build: ## the program: ./ceralacca, without cgo
	CGO_ENABLED=0 go build -trimpath -o ceralacca .

test: install fmt vet lint unit postgres e2e faults ## everything that must pass before a change goes in

install: ## the programs that the tests need (apt on Debian and Ubuntu)
	$(call part,scripts/install.sh)

fmt: ## gofmt has nothing to change
	$(call part,unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "$$unformatted"; exit 1; })

vet: ## go vet, for Linux, macOS and Windows
	$(call part,go vet -tags soak ./...; for os in darwin windows; do CGO_ENABLED=0 GOOS=$$os go vet ./...; done)

lint: $(STATICCHECK) ## staticcheck, a pinned version in ./bin
	$(call part,$(STATICCHECK) ./...)

$(STATICCHECK):
	GOBIN=$(CURDIR)/bin go install honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK_VERSION)
	mv bin/staticcheck $@

unit: ## the tests of every package but e2e, under the race detector (needs a C compiler)
	$(call part,packages=$$(go list ./...); \
		CGO_ENABLED=1 go test -race -shuffle=on -timeout 8m $$(echo "$$packages" | grep -v '/e2e\(/\|$$\)'))

# Their tests hold for both storage engines (package postgrestest); those of store run on both by themselves.
both_engines := ./access ./delivery ./dispatch ./imapd ./incoming ./provider ./sandbox

postgres: ## the tests of the packages with data once more, on PostgreSQL
	$(call part,CERALACCA_ENGINE=postgres go test -shuffle=on -timeout 8m $(both_engines))

e2e: ## the real program as processes, with real clients; on both storage engines, and several processes on one database
	$(call part,go test ./e2e ./e2e/hostile ./e2e/examples ./e2e/cluster -count=1 -timeout 6m; \
		CERALACCA_ENGINE=postgres go test ./e2e -count=1 -timeout 6m)

faults: ## what was said is durable: the order of syncs, and power cuts, from one run under strace
	$(call part,go test ./e2e/faults -count=1 -timeout 6m)

fuzz: ## every fuzz target for FUZZTIME (30s) each; not a part of test
	$(call part,FUZZTIME=$(FUZZTIME) scripts/fuzz.sh)

bench: build ## the measures of design.md 8
	./ceralacca bench

soak: ## 1,000 kill -9 under load (SOAK_ROUNDS), ten minutes of troubles on PostgreSQL (HISTORY_SECONDS), 100,000 altered letters against openssl (SOAK_LETTERS), and each fuzz target for ten minutes (SOAK_FUZZTIME)
	$(call part,go test -tags soak -run 'Soak' -count=1 -timeout 4h -v ./e2e)
	$(call part,HISTORY_SECONDS=$(HISTORY_SECONDS) go test -run History -count=1 -timeout 1h -v ./e2e/cluster)
	$(call part,LETTERS=$(SOAK_LETTERS) go test -run 'TestDifferential$$' -count=1 -timeout 1h ./smime)
	$(call part,FUZZTIME=$(SOAK_FUZZTIME) scripts/fuzz.sh)

man: build ## the manual pages, into ./man
	./ceralacca man --dir man
