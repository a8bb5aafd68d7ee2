package check

import (
	"context"
	"errors"
	"os"

	"zocalo/socket"
)

// openPipe makes the source of pipes, to compare sockets with: pipe(2), whose
// two descriptors are the ends of one channel.
func openPipe(ctx context.Context) (*Source, error) {
	src := &Source{
		Name:     "pipe",
		Promised: socket.Properties{Reliable: true, Ordered: true, Unduplicated: true, Connected: true},
		Pair:     pipe,
		OneWay:   true,
	}
	w, r, err := pipe(ctx)
	if err != nil {
		return nil, err
	}
	return src, errors.Join(w.Close(), r.Close())
}

func pipe(context.Context) (writer, reader *socket.Socket, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	defer w.Close()
	if writer, err = socket.FromFile(w); err != nil {
		return nil, nil, err
	}
	if reader, err = socket.FromFile(r); err != nil {
		writer.Close()
		return nil, nil, err
	}
	return writer, reader, nil
}
