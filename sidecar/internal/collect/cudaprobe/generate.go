package cudaprobe

//go:generate go tool bpf2go -cc clang -cflags "-O2 -g -std=gnu11 -Wall -Wextra -Werror -I../ebpf/bpf" -target amd64,arm64 -type call_record -type call_counts -type cookie_layout -no-global-types calls bpf/calls.bpf.c
