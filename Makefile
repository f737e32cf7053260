# isorun-engine: `make demo` shows it, `make test` proves it. Both install what is missing (Debian packages).

PREFIX ?= /usr/local
BUILD  := .build/release
ENGINE := $(BUILD)/isorun-engine
CLIENT := clients/typescript
# A static Swift runtime: the engine starts in milliseconds and runs where no Swift is installed.
SWIFT_FLAGS := -c release --static-swift-stdlib

PACKAGES := libjansson-dev libseccomp-dev libarchive-dev nettle-dev pkg-config gcc libc6-dev python3 uidmap zstd \
	nodejs node-typescript
TEST_PACKAGES := python3-jsonschema python3-numpy less busybox-static skopeo passt nftables docker-registry podman runc \
	xz-utils bubblewrap util-linux git postgresql redis-server nginx curl vim-tiny default-jdk-headless

.PHONY: all build client demo test unit-test end-to-end client-test fuzz bench lint install clean deps test-deps

all: build client

# Installs Debian packages that are missing; asks for root only then.
define install_packages
	@missing=""; for package in $(1); do \
		dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; done; \
	if [ -n "$$missing" ]; then echo "installing$$missing"; \
		sudo=""; [ "$$(id -u)" = 0 ] || sudo=sudo; \
		$$sudo apt-get update -qq && $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$missing; fi
endef

deps:
	$(call install_packages,$(PACKAGES))

test-deps: deps
	$(call install_packages,$(TEST_PACKAGES))

build: deps
	swift build $(SWIFT_FLAGS) --product isorun-engine

client: deps
	$(MAKE) -C $(CLIENT) build

demo: build client
	ISORUN_ENGINE=$(CURDIR)/$(ENGINE) node $(CLIENT)/examples/demo.mjs

test: test-deps build client
	$(MAKE) unit-test
	$(MAKE) fuzz FUZZ_SECONDS=10
	$(MAKE) client-test
	$(MAKE) end-to-end

unit-test:
	swift test --parallel

end-to-end: build
	ISORUN_ENGINE=$(CURDIR)/$(ENGINE) Tests/EndToEnd/run

client-test: build
	ISORUN_ENGINE=$(CURDIR)/$(ENGINE) $(MAKE) -C $(CLIENT) test

FUZZ_SECONDS ?= 600
fuzz: deps
	Tests/Fuzz/run $(FUZZ_SECONDS)

bench: test-deps build
	ISORUN_ENGINE=$(CURDIR)/$(ENGINE) Tests/bench/bench.py

lint:
	swift format lint --strict --recursive Sources Tests Package.swift

install: build
	install -D -m 0755 $(ENGINE) $(DESTDIR)$(PREFIX)/bin/isorun-engine

clean:
	rm -rf .build $(CLIENT)/dist
