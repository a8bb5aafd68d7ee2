package sys

// BPF is an instruction of classic BPF: struct sock_filter.
type BPF struct {
	Op     uint16
	Jt, Jf uint8
	K      uint32
}
