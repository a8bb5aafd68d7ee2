package sys_test

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"zocalo/internal/testenv"
	"zocalo/socket"
	"zocalo/socket/option"
)

// instruction is one of eBPF: struct bpf_insn of linux/bpf.h.
func instruction(code, registers byte, immediate uint32) []byte {
	b := []byte{code, registers, 0, 0}
	return binary.NativeEndian.AppendUint32(b, immediate)
}

// kept holds on the heap what bpf(2) is told the addresses of.
var kept [][]byte

// loadFilter loads an eBPF program of type socket filter, as cilium/ebpf would:
// bpf(2) with BPF_PROG_LOAD.
func loadFilter(t *testing.T, program []byte) int {
	t.Helper()
	license, log := []byte("GPL\x00"), make([]byte, 1<<16)
	kept = append(kept, program, license, log)
	attr := struct {
		kind, count                uint32
		instructions, license      uint64
		logLevel, logSize          uint32
		log                        uint64
		kernelVersion, flags, rest uint32
	}{
		kind: unix.BPF_PROG_TYPE_SOCKET_FILTER, count: uint32(len(program) / 8),
		instructions: uint64(uintptr(unsafe.Pointer(&program[0]))), license: uint64(uintptr(unsafe.Pointer(&license[0]))),
		logLevel: 1, logSize: uint32(len(log)), log: uint64(uintptr(unsafe.Pointer(&log[0]))),
	}
	fd, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_LOAD, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	if errno == unix.ENOSYS {
		t.Skip("this kernel has no bpf(2)")
	}
	if errno != 0 {
		t.Fatalf("bpf: %v: %s", errno, unix.ByteSliceToString(log))
	}
	t.Cleanup(func() { unix.Close(int(fd)) })
	return int(fd)
}

// An eBPF program chooses among the sockets of one name, by the datagram's
// first byte. The test is here since loading one takes a raw system call.
func TestReusePortEBPF(t *testing.T) {
	testenv.Root(t)
	name := socket.InetName(netip.MustParseAddrPort("127.0.0.1:0"))
	var pair [2]*socket.Socket
	for i := range pair {
		s, err := socket.New(socket.Inet, socket.Datagram, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := option.ReusePort.Set(s, true); err != nil {
			t.Fatal(err)
		}
		if err := s.Bind(name); err != nil {
			t.Fatal(err)
		}
		pair[i], name = s, s.Name()
	}
	from, err := socket.New(socket.Inet, socket.Datagram, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	if err := from.Connect(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	for flip := range uint32(2) {
		var program []byte
		program = append(program, instruction(unix.BPF_ALU64|unix.BPF_MOV|unix.BPF_X, 6|1<<4, 0)...) // r6 = r1, the packet
		program = append(program, instruction(unix.BPF_LD|unix.BPF_ABS|unix.BPF_B, 0, 0)...)         // r0 = its first byte
		program = append(program, instruction(unix.BPF_ALU64|unix.BPF_XOR|unix.BPF_K, 0, flip)...)   // r0 ^= flip
		program = append(program, instruction(unix.BPF_JMP|unix.BPF_EXIT, 0, 0)...)                  // return r0
		if err := option.ReusePortProgramFD.Set(pair[0], loadFilter(t, program)); err != nil {
			t.Fatal(err)
		}
		for n := range 20 {
			text := []byte{byte(n / 3 % 2), byte(n)}
			if _, err := from.Write(text); err != nil {
				t.Fatal(err)
			}
			to := pair[uint32(text[0])^flip]
			to.SetReadDeadline(time.Now().Add(time.Minute)) // for what went astray
			buf := make([]byte, 10)
			if k, err := to.Read(buf); k != 2 || buf[1] != byte(n) || err != nil {
				t.Fatalf("datagram %d: % x, %v", n, buf[:k], err)
			}
		}
	}
}
