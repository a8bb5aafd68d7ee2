package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"zocalo"
	"zocalo/address"
	"zocalo/codec"
	"zocalo/internal/locals"
	"zocalo/internal/units"
	"zocalo/server"
	"zocalo/socket"
	"zocalo/socket/scheme"
)

// A LocalRow is what one kind of socket does on this machine, both its ends
// in this process.
type LocalRow struct {
	Kind      string  `json:"kind"`
	Reason    string  `json:"reason,omitempty"` // why this machine lacks it; then there is nothing else
	Stream    *Result `json:"stream,omitempty"`
	RoundTrip *Result `json:"round_trip,omitempty"`

	// For the copy in memory, which is not a socket: bytes per second, and the time
	// to copy a message there and back.
	CopyRate  float64       `json:"copy_rate,omitempty"`
	CopyThere time.Duration `json:"copy_there_and_back_ns,omitempty"`
}

// localKinds are the schemes that Local measures.
var localKinds = []string{
	"tcp", "tcp6", "mptcp", "udp", "unix", "unix-dgram", "unix-seqpacket", "vsock", "iso", "iso-stream", "iso-dgram", "spp", "spp-stream", "idp",
}

// The last rows: what is no socket of a listener.
const (
	socketPair = "socketpair"
	pipeKind   = "pipe"
	memoryCopy = "memory copy"
)

// LocalKinds returns the kinds that Local knows, in the order of its rows:
// those of the kernel and of the families that the program imports, a socket
// pair, a pipe each way, and a copy in memory as the limit.
func LocalKinds() (all []string) {
	for _, k := range localKinds {
		if _, ok := scheme.Lookup(k); ok {
			all = append(all, k)
		}
	}
	return append(all, socketPair, pipeKind, memoryCopy)
}

// DefaultLocalTime is how long Local measures each figure.
const DefaultLocalTime = 300 * time.Millisecond

// Local measures kinds of socket on this machine side by side: a stream and
// round trips of each, by the options. each is called with every row as soon
// as it is known. Kinds that this machine lacks have a Reason.
func Local(ctx context.Context, kinds []string, o Options, each func(LocalRow)) error {
	if o.Duration <= 0 && o.Count <= 0 {
		o.Duration = DefaultLocalTime
	}
	dir, err := os.MkdirTemp("", "zocalo-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, kind := range kinds {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		row := LocalRow{Kind: kind}
		if kind == memoryCopy {
			row.copies(&o)
		} else if err := row.measure(ctx, dir, o); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			var option *OptionError
			if errors.As(err, &option) {
				return err
			}
			row.Reason = err.Error()
		}
		each(row)
	}
	return nil
}

// measure measures one kind.
func (r *LocalRow) measure(ctx context.Context, dir string, o Options) error {
	dial, stop, err := openLocal(ctx, &Server{Program: o.Program}, r.Kind, dir)
	if err != nil {
		return err
	}
	defer stop()
	o.Address = r.Kind
	for _, m := range []struct {
		mode   Mode
		result **Result
	}{{RoundTrip, &r.RoundTrip}, {Stream, &r.Stream}} {
		o.Mode = m.mode
		if *m.result, err = Run(ctx, dial, o); err != nil {
			return err
		}
	}
	return nil
}

// openLocal has the server serve the kind, and returns how to reach it.
func openLocal(ctx context.Context, s *Server, kind, dir string) (Dial, func(), error) {
	switch kind {
	case socketPair:
		return s.pairs(func() (a, b *socket.Socket, err error) { return socket.Pair(socket.Unix, socket.Stream, 0) })
	case pipeKind:
		return s.pairs(duplexPipes)
	}
	named, ok := scheme.Lookup(kind)
	if !ok || !slices.Contains(localKinds, kind) {
		return nil, nil, refusef("kind %q is unknown: choose from %s", kind, strings.Join(LocalKinds(), ", "))
	}
	a, err := localAddress(named, dir)
	if err != nil {
		return nil, nil, err
	}
	return ServeLocal(ctx, s, a)
}

// localAddress returns an address of this machine's.
func localAddress(s *scheme.Scheme, dir string) (a address.Address, err error) {
	l, err := locals.Of(s)
	if err != nil {
		return a, err
	}
	return l.Address(s, dir)
}

// ServeLocal runs a server in this process that listens on an address, until
// stop is called, and returns how to reach it.
func ServeLocal(ctx context.Context, s *Server, a address.Address) (dial Dial, stop func(), err error) {
	l, err := zocalo.ListenAddress(ctx, a)
	if err != nil {
		return nil, nil, err
	}
	serving, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var group sync.WaitGroup
	if t := l.Sockets()[0].Type(); t.Bounded() && !l.Sockets()[0].Properties().Connected {
		for _, one := range l.Sockets() {
			group.Go(func() { s.Datagrams(serving, one, Peers{}) })
		}
	} else {
		srv := &server.Server{Handler: s.Handle, MaxConns: -1, Drain: time.Nanosecond, Log: s.Log}
		group.Go(func() { srv.Serve(serving, l) })
	}
	a.Endpoint = l.Name().String()
	return func(ctx context.Context) (*socket.Socket, error) { return zocalo.DialAddress(ctx, a) },
		func() { cancel(); group.Wait(); l.Close() }, nil
}

// pairs serves one end of each pair, and dials by making one.
func (s *Server) pairs(pair func() (a, b *socket.Socket, err error)) (Dial, func(), error) {
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	dial := func(context.Context) (*socket.Socket, error) {
		a, b, err := pair()
		if err != nil {
			return nil, err
		}
		group.Go(func() {
			defer b.Close()
			s.Handle(ctx, b)
		})
		return a, nil
	}
	return dial, func() { cancel(); group.Wait() }, nil
}

// duplexPipes makes two ends of two pipes, one for each direction.
func duplexPipes() (a, b *socket.Socket, err error) {
	there, in, err := locals.Pipe()
	if err != nil {
		return nil, nil, err
	}
	here, out, err := locals.Pipe()
	if err != nil {
		return nil, nil, errors.Join(err, there.Close(), in.Close())
	}
	kind := socket.Kind{Domain: socket.Unspecified, Type: socket.Stream}
	return socket.Wrap(&duplex{here, in}, kind), socket.Wrap(&duplex{there, out}, kind), nil
}

// A duplex reads from one socket and writes to another.
type duplex struct{ in, out *socket.Socket }

func (d *duplex) Read(b []byte) (int, error)         { return d.in.Read(b) }
func (d *duplex) Write(b []byte) (int, error)        { return d.out.Write(b) }
func (d *duplex) SetReadDeadline(t time.Time) error  { return d.in.SetReadDeadline(t) }
func (d *duplex) SetWriteDeadline(t time.Time) error { return d.out.SetWriteDeadline(t) }
func (d *duplex) Name() socket.Name                  { return socket.Name{} }
func (d *duplex) Peer() socket.Name                  { return socket.Name{} }
func (d *duplex) Close() error                       { return errors.Join(d.in.Close(), d.out.Close()) }

// copies measures copying in memory, the limit of all that moves bytes: of
// the same sizes as writes to a stream and as requests.
func (r *LocalRow) copies(o *Options) {
	size := DefaultSize
	if o.Size > 0 {
		size = o.Size
	}
	rate := func(size int, d time.Duration) (copies int64, took time.Duration) {
		from, to := make([]byte, size), make([]byte, size)
		fill(from, 0)
		begin := time.Now()
		for took < d {
			for range max(1, (1<<20)/size) {
				copy(to, from)
				copies++
			}
			took = time.Since(begin)
		}
		return copies, took
	}
	d := o.Duration
	if d <= 0 {
		d = DefaultLocalTime
	}
	n, took := rate(size, d/2)
	r.CopyRate = float64(n) * float64(size) / took.Seconds()
	small := requestSize
	if o.Size > 0 {
		small = o.Size
	}
	n, took = rate(small, d/2)
	r.CopyThere = 2 * took / time.Duration(n)
}

// WriteLocal writes rows as a table for people.
func WriteLocal(w io.Writer, rows []LocalRow, machine Machine) error {
	var b strings.Builder
	table := [][]string{{"kind", "throughput", "write", "lost", "CPU/byte", "p50", "p99", "trips/s"}}
	var missing []string
	for _, r := range rows {
		switch {
		case r.Reason != "":
			missing = append(missing, r.Kind+": "+r.Reason)
		case r.CopyRate > 0:
			table = append(table, []string{r.Kind, units.Rate(8 * r.CopyRate), "", "", "", units.Time(r.CopyThere), "", ""})
		default:
			table = append(table, r.cells())
		}
	}
	writeTable(&b, table)
	for _, m := range missing {
		fmt.Fprintf(&b, "not on this machine: %s\n", m)
	}
	b.WriteString("\n")
	if i := slices.IndexFunc(rows, func(r LocalRow) bool { return r.Stream != nil }); i >= 0 {
		c := rows[i].RoundTrip.Conditions
		writeRows(&b, []row{
			{"measured", fmt.Sprintf("%s of each, both ends in one process", units.Set(c.Duration))},
			{"", fmt.Sprintf("p50, p99 and trips/s are of round trips of %d bytes", c.Size)},
			{"machine", strings.Join(machine.words(), ", ")},
			{"", strings.Join([]string{c.Started.Format(time.RFC3339), "clock step " + units.Time(machine.ClockStep), machine.Program, machine.Go}, ", ")},
		})
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// cells are a row of the table.
func (r *LocalRow) cells() []string {
	way := r.Stream.ways()[0]
	arrived := way.known()
	lost := ""
	if way.arrivals != nil && way.arrivals.Lost > 0 {
		lost = units.Percent(way.arrivals.LostShare())
	}
	perByte := ""
	if n := arrived.Bytes; n > 0 {
		perByte = strconv.FormatFloat(float64(r.Stream.Near.Processor.Total())/float64(n), 'f', 2, 64) + " ns"
	}
	p50, p99 := "-", "-"
	if v, ok := r.RoundTrip.Latency.Percentile(50); ok {
		p50 = units.Time(time.Duration(v))
	}
	if v, ok := r.RoundTrip.Latency.Percentile(99); ok {
		p99 = units.Time(time.Duration(v))
	}
	throughput := "nothing"
	if arrived.Bytes > 0 {
		throughput = units.Rate(arrived.BitsPerSecond())
	}
	return []string{r.Kind, throughput, codec.FormatSize(r.Stream.Conditions.Size), lost, perByte,
		p50, p99, units.Number(r.RoundTrip.Near.Received.MessagesPerSecond())}
}
