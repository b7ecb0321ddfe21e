package ebpf

//go:generate go tool bpf2go -cc clang -cflags "-O2 -g -std=gnu11 -Wall -Wextra -Werror" -target amd64,arm64 -type offcpu_record -type thread_record -type sample_record -type py_frame -type python_config -type loss_counts -type thread_state -type record_kind -type task_state -type offcpu_flag -type syscall_class -type thread_event -type interrupt_source -no-global-types probe bpf/probe.bpf.c
