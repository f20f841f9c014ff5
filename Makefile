# Builds, checks and installs msgr. `make help` lists what there is to make.

CARGO   ?= cargo
OBJCOPY ?= objcopy
PREFIX  ?= /usr/local
LIBDIR  ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR  ?= $(PREFIX)/share/man

# Cargo.toml is the only place that knows the version.
VERSION := $(shell sed -n '/^\[package\]/,/^\[lib\]/s/^version = "\(.*\)"/\1/p' Cargo.toml)
SOVERSION := $(firstword $(subst ., ,$(VERSION)))

TARGET   := $(or $(CARGO_TARGET_DIR),target)
LIB      := $(TARGET)/release
EXAMPLES := $(TARGET)/examples-c

# What a program linked to libmsgr.a needs besides it. tests/elf.sh compares it with what rustc says.
NATIVE_STATIC_LIBS := -lgcc_s -lutil -lrt -lpthread -lm -ldl -lc

CFLAGS   ?= -O2 -g
WARNINGS := -Wall -Wextra -Wpedantic -Werror
COMPILE  = $(CC) -std=c11 $(WARNINGS) $(CPPFLAGS) $(CFLAGS) -pthread -Iinclude
LINK     = $(LDFLAGS) -L$(LIB) -Wl,-rpath,'$$ORIGIN/../release' -lmsgr

.PHONY: all help lib examples interop-programs demo check soak bench bench-check man html install install-tools deb uninstall clean

all: lib

help:
	@echo 'make            build libmsgr.so and libmsgr.a into $(LIB)'
	@echo 'make examples   build examples-c into $(EXAMPLES)'
	@echo 'make demo       a C server and a C client exchange messages on loopback; prints the rate'
	@echo 'make check      every test'
	@echo 'make soak       the random ones among them for long: a hundred thousand simulated clusters first'
	@echo 'make bench      the comparison benchmark'
	@echo 'make bench-check  what a message costs, in instructions and system calls, against the baseline'
	@echo 'make install    PREFIX=$(PREFIX) LIBDIR=$(LIBDIR) INCLUDEDIR=$(INCLUDEDIR) DESTDIR='
	@echo 'make install-tools  the same, BINDIR=$(BINDIR)'
	@echo 'make man        manual pages, in $(TARGET)/man; make html: for a browser, in $(TARGET)/html'
	@echo 'make deb        Debian packages, in $(TARGET)/deb'
	@echo 'make uninstall  removes what install put there'
	@echo 'make clean      removes $(TARGET)'

# Not plain `cargo build`: that makes the Rust library in the same go, and then rustc leaves out link-time
# optimisation, and the C libraries come out half as big again.
#
# Nor is what cargo makes what is installed. No linker that rustc may use gives symbols a version, and its archive has every
# name of the Rust and C libraries in it, to clash with those of the program. So all that the exported functions need
# becomes one object in which only their names are global, and both libraries are made of that.
ABI_MAP  := capi-tests/abi/libmsgr.map
EXPORTED := $(TARGET)/libmsgr.exported
OBJECT   := $(TARGET)/libmsgr.o
LINK_SO   = -shared -nodefaultlibs -Wl,-soname,libmsgr.so.$(SOVERSION) -Wl,--version-script=$(ABI_MAP) \
	-Wl,-z,nodelete,-z,relro,-z,now,-z,noexecstack,--gc-sections,--as-needed,-O1

# No folder of the machine that builds is written into the libraries, so that two machines make the same bytes of them.
CARGO_DIR := $(or $(CARGO_HOME),$(HOME)/.cargo)
FOLDERS   := $(CARGO_DIR)=/cargo $(CURDIR)=/msgr $(abspath $(TARGET))=/target
CARGO_ENV  = RUSTFLAGS="$$RUSTFLAGS $(addprefix --remap-path-prefix=,$(FOLDERS))" \
	CFLAGS="$$CFLAGS $(addprefix -ffile-prefix-map=,$(FOLDERS))"

# A new name is moved into place at the end, since programs may be running with the old one.
lib: $(ABI_MAP)
	$(CARGO_ENV) $(CARGO) rustc --release --locked --lib --crate-type staticlib \
	    -- --print native-static-libs=$(TARGET)/native-static-libs
	@grep -o 'msgr_[a-z0-9_]*;' $(ABI_MAP) | tr -d ';' >$(EXPORTED)
	@sed 's/^/-u /' $(EXPORTED) >$(EXPORTED).flags
	@$(CC) -r -nostdlib -Wl,--gc-sections @$(EXPORTED).flags \
	    -Wl,--whole-archive $(LIB)/libmsgr.a -Wl,--no-whole-archive -o $(OBJECT)
	@$(OBJCOPY) -R .llvmbc -R .llvmcmd --keep-global-symbols=$(EXPORTED) $(OBJECT)
	@$(CC) $(LINK_SO) $(LDFLAGS) $(OBJECT) $(NATIVE_STATIC_LIBS) -o $(OBJECT).so
	@mv $(OBJECT).so $(LIB)/libmsgr.so
	@rm -f $(OBJECT).a && $(AR) rcsD $(OBJECT).a $(OBJECT) && mv $(OBJECT).a $(LIB)/libmsgr.a
	@ln -sf libmsgr.so $(LIB)/libmsgr.so.$(SOVERSION)

examples: $(addprefix $(EXAMPLES)/,hello hello++ perf_server perf_client perf_server++ perf_client++ ping mon_map mon_ping)
examples: $(addprefix $(EXAMPLES)/,ceph_perf_server ceph_perf_client)

$(EXAMPLES):
	@mkdir -p $@

$(EXAMPLES)/perf_server $(EXAMPLES)/perf_client: examples-c/perf.h
$(EXAMPLES)/mon_map $(EXAMPLES)/mon_ping: examples-c/mon_client.c examples-c/mon_client.h

$(EXAMPLES)/%: examples-c/%.c include/msgr.h | lib $(EXAMPLES)
	$(COMPILE) -o $@ $(filter %.c,$^) $(LINK)

# The same source as C++, since the header is for both.
$(EXAMPLES)/perf_%++: examples-c/perf_%.cc examples-c/perf.hpp include/msgr.h include/msgr.hpp $(wildcard include/msgr/*.hpp) | lib $(EXAMPLES)
	$(CXX) -std=c++17 $(WARNINGS) $(CPPFLAGS) $(CFLAGS) -pthread -Iinclude -o $@ $< $(LINK)

# With Ceph's own header paths, and nothing else in the way of its names.
$(EXAMPLES)/ceph_perf_%: examples-c/ceph_perf_%.cc include/msgr.h $(shell find include/msgr -type f) | lib $(EXAMPLES)
	$(CXX) -std=c++17 $(WARNINGS) $(CPPFLAGS) $(CFLAGS) -pthread -Iinclude/msgr/compat -o $@ $< $(LINK)

$(EXAMPLES)/hello++: examples-c/hello.c include/msgr.h | lib $(EXAMPLES)
	$(CXX) -x c++ -std=c++17 $(WARNINGS) $(CPPFLAGS) $(CFLAGS) -Iinclude -o $@ $< $(LINK)

# What tests/interop.rs runs.
interop-programs: $(addprefix $(EXAMPLES)/,mon_map mon_ping keepalive object)

$(EXAMPLES)/keepalive: tests/interop/keepalive.c include/msgr.h | lib $(EXAMPLES)
	$(COMPILE) -o $@ $< $(LINK)

$(EXAMPLES)/object: tests/interop/object.cc $(wildcard include/*.h* include/msgr/*.hpp include/msgr/compat/*/*.h) | lib $(EXAMPLES)
	$(CXX) -std=c++17 $(WARNINGS) $(CPPFLAGS) $(CFLAGS) -pthread -Iinclude -o $@ $< $(LINK)

# No C++ compiler is needed for the demo.
demo: $(EXAMPLES)/perf_server $(EXAMPLES)/perf_client
	@sh examples-c/demo.sh $(EXAMPLES)

check:
	@MAKE='$(MAKE)' CARGO='$(CARGO)' CC='$(CC)' LIB='$(LIB)' EXAMPLES='$(EXAMPLES)' \
	    VERSION='$(VERSION)' SOVERSION='$(SOVERSION)' TARGET='$(TARGET)' \
	    NATIVE_STATIC_LIBS='$(NATIVE_STATIC_LIBS)' sh tests/check.sh

soak:
	@CARGO='$(CARGO)' sh tests/soak.sh

bench: lib
	$(CARGO) bench --locked --bench compare

bench-check: lib
	@CC='$(CC)' sh benches/cost/check.sh $(LIB) $(TARGET)/cost

# Of the header's comments; packaging/man.awk says why they are not committed. Those of the tools are written by hand.
MAN := $(TARGET)/man
man:
	@rm -rf $(MAN) && mkdir -p $(MAN)/man1 $(MAN)/man3 $(MAN)/man7
	@awk -v version='$(VERSION)' -v out='$(MAN)' -f packaging/man.awk include/msgr.h
	@for tool in $(TOOLS); do \
	    sed 's|@VERSION@|$(VERSION)|' packaging/man1/$$tool.1 >$(MAN)/man1/$$tool.1 || exit 1; \
	done

# The same as HTML.
html:
	@mkdir -p $(TARGET)/html
	( cat packaging/Doxyfile; echo 'PROJECT_NUMBER=$(VERSION)'; echo 'OUTPUT_DIRECTORY=$(TARGET)' ) | doxygen -

# The installed files find each other by relative paths, so a prefix may be moved as a whole.
PC_DIR    := $(LIBDIR)/pkgconfig
CMAKE_DIR := $(LIBDIR)/cmake/Msgr
REAL_NAME := libmsgr.so.$(VERSION)
HEADERS   := $(sort $(shell cd include && find . -type f -name '*.h*' | sed 's|^\./||'))
CMAKE_FILES := MsgrConfig.cmake MsgrConfigVersion.cmake MsgrTargets.cmake
relative = $(shell realpath -m -s --relative-to='$(1)' '$(2)')
empty :=
space := $(empty) $(empty)
FILL = sed -e 's|@VERSION@|$(VERSION)|g' -e 's|@SOVERSION@|$(SOVERSION)|g' \
	-e 's|@PREFIX_FROM_LIB@|$(call relative,$(LIBDIR),$(PREFIX))|g' \
	-e 's|@INCLUDE_FROM_LIB@|$(call relative,$(LIBDIR),$(INCLUDEDIR))|g' \
	-e 's|@NATIVE_STATIC_LIBS@|$(NATIVE_STATIC_LIBS)|g' \
	-e 's|@NATIVE_STATIC_LIST@|$(subst $(space),;,$(NATIVE_STATIC_LIBS))|g'

install: lib man
	install -d '$(DESTDIR)$(LIBDIR)' '$(DESTDIR)$(INCLUDEDIR)' '$(DESTDIR)$(PC_DIR)' '$(DESTDIR)$(CMAKE_DIR)'
	install -m 755 $(LIB)/libmsgr.so '$(DESTDIR)$(LIBDIR)/$(REAL_NAME)'
	ln -sf $(REAL_NAME) '$(DESTDIR)$(LIBDIR)/libmsgr.so.$(SOVERSION)'
	ln -sf libmsgr.so.$(SOVERSION) '$(DESTDIR)$(LIBDIR)/libmsgr.so'
	install -m 644 $(LIB)/libmsgr.a '$(DESTDIR)$(LIBDIR)/libmsgr.a'
	install -m 644 include/*.h* '$(DESTDIR)$(INCLUDEDIR)'
	install -d '$(DESTDIR)$(INCLUDEDIR)/msgr'
	install -m 644 include/msgr/*.hpp '$(DESTDIR)$(INCLUDEDIR)/msgr'
	@for file in $(HEADERS); do \
	    install -D -m 644 include/$$file '$(DESTDIR)$(INCLUDEDIR)'/$$file || exit 1; \
	done
	@$(FILL) cmake/msgr.pc.in > '$(DESTDIR)$(PC_DIR)/msgr.pc'
	@for file in $(CMAKE_FILES); do \
	    $(FILL) cmake/$$file.in > '$(DESTDIR)$(CMAKE_DIR)'/$$file || exit 1; \
	done
	install -m 644 cmake/FindMsgr.cmake '$(DESTDIR)$(CMAKE_DIR)'
	install -d '$(DESTDIR)$(MANDIR)/man3' '$(DESTDIR)$(MANDIR)/man7'
	install -m 644 $(MAN)/man3/* '$(DESTDIR)$(MANDIR)/man3'
	install -m 644 $(MAN)/man7/* '$(DESTDIR)$(MANDIR)/man7'

# Examples that are of use by themselves. They look for the library where the system does.
BINDIR ?= $(PREFIX)/bin
TOOLS  := msgr-perf-server msgr-perf-client msgr-ping
install-tools: lib man
	install -d '$(DESTDIR)$(BINDIR)' '$(DESTDIR)$(MANDIR)/man1'
	install -m 644 $(MAN)/man1/* '$(DESTDIR)$(MANDIR)/man1'
	@for tool in perf_server perf_client ping; do \
	    $(COMPILE) -o '$(DESTDIR)$(BINDIR)'/msgr-$$(echo $$tool | tr _ -) examples-c/$$tool.c \
	        $(LDFLAGS) -L$(LIB) -lmsgr || exit 1; \
	done

deb:
	@CARGO='$(CARGO)' sh packaging/deb.sh $(TARGET)/deb

uninstall:
	rm -f $(foreach f,$(REAL_NAME) libmsgr.so.$(SOVERSION) libmsgr.so libmsgr.a,'$(DESTDIR)$(LIBDIR)/$(f)')
	rm -f $(foreach f,$(notdir $(wildcard include/*.h*)),'$(DESTDIR)$(INCLUDEDIR)/$(f)')
	rm -f $(foreach f,$(notdir $(wildcard include/msgr/*.hpp)),'$(DESTDIR)$(INCLUDEDIR)/msgr/$(f)')
	@rmdir '$(DESTDIR)$(INCLUDEDIR)/msgr' 2>/dev/null || true
	rm -f $(foreach f,$(HEADERS),'$(DESTDIR)$(INCLUDEDIR)/$(f)')
	@rm -f '$(DESTDIR)$(MANDIR)'/man3/msgr_* '$(DESTDIR)$(MANDIR)'/man7/msgr.7
	@rm -f $(foreach f,$(TOOLS),'$(DESTDIR)$(BINDIR)/$(f)' '$(DESTDIR)$(MANDIR)/man1/$(f).1')
	rm -f '$(DESTDIR)$(PC_DIR)/msgr.pc' $(foreach f,$(CMAKE_FILES) FindMsgr.cmake,'$(DESTDIR)$(CMAKE_DIR)/$(f)')
	@rmdir '$(DESTDIR)$(CMAKE_DIR)' 2>/dev/null || true

clean:
	rm -rf '$(TARGET)'
