// Package sys is the only place in Zócalo with unsafe memory or raw system
// calls. Each function wraps one call, restarts it after EINTR, and returns
// the errno as it is, 0 for success; none of them waits, unless the
// descriptor is a blocking one.
//
// It knows neither deadlines nor names: package socket builds those on it.
// On Linux the calls that move data allocate nothing. On the other systems
// they go through golang.org/x/sys/unix, and what the system lacks answers
// ENOSYS or EOPNOTSUPP. On Windows every call answers EWINDOWS. errors.Is takes all
// three for errors.ErrUnsupported.
package sys
