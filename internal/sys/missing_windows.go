package sys

import (
	"syscall"
	"time"
)

// No kernel socket can be made here yet: every call answers EWINDOWS, which
// errors.Is takes for errors.ErrUnsupported. The numbers are Winsock's where it has
// them; 0 is a flag, and -1 an option, that it lacks.

const none = syscall.EWINDOWS

// Flags of Send, Recv, Sendmsg and Recvmsg.
const (
	OutOfBand        = 0x1
	Peek             = 0x2
	DontRoute        = 0x4
	DataTruncated    = 0x100
	ControlTruncated = 0x200
	DontWait         = 0
	EndOfRecord      = 0
	Trunc            = 0
	More             = 0
)

// Events of Ready and Nest.
const (
	Readable uint32 = 0x300
	Writable uint32 = 0x10
	Urgent   uint32 = 0x400
	Ended    uint32 = 0x3
)

// Options of sockets.
const (
	SOL_SOCKET   = 0xffff
	SO_ERROR     = 0x1007
	SO_OOBINLINE = 0x100
	SO_REUSEADDR = 0x4
	SO_REUSEPORT = -1
	SO_KEEPALIVE = 0x8
	SO_BROADCAST = 0x20
	SO_RCVBUF    = 0x1002
	SO_SNDBUF    = 0x1001
	SO_TYPE      = 0x1008

	SO_ACCEPTCONN = 0x2

	IPPROTO_IP   = 0
	IPPROTO_TCP  = 6
	IPPROTO_UDP  = 17
	IPPROTO_IPV6 = 41

	IP_TOS            = 3
	IP_TTL            = 4
	IPV6_V6ONLY       = 27
	IPV6_TCLASS       = 39
	IPV6_UNICAST_HOPS = 4
	TCP_NODELAY       = 1
	TCP_MAXSEG        = -1
	TCP_KEEPIDLE      = 3
	TCP_KEEPINTVL     = 17
	TCP_KEEPCNT       = 16
)

func Socket(int, int, int) (int, syscall.Errno)                      { return -1, none }
func Socketpair(int, int, int) (int, int, syscall.Errno)             { return -1, -1, none }
func Bind(int, *Sockaddr) syscall.Errno                              { return none }
func Listen(int, int) syscall.Errno                                  { return none }
func Accept(int, *Sockaddr) (int, syscall.Errno)                     { return -1, none }
func Connect(int, *Sockaddr) syscall.Errno                           { return none }
func Disconnect(int) syscall.Errno                                   { return none }
func Shutdown(int, int) syscall.Errno                                { return none }
func Close(int) syscall.Errno                                        { return none }
func Getsockname(int, *Sockaddr) syscall.Errno                       { return none }
func Getpeername(int, *Sockaddr) syscall.Errno                       { return none }
func Read(int, []byte) (int, syscall.Errno)                          { return 0, none }
func Write(int, []byte) (int, syscall.Errno)                         { return 0, none }
func Recv(int, []byte, int) (int, syscall.Errno)                     { return 0, none }
func Send(int, []byte, int) (int, syscall.Errno)                     { return 0, none }
func Recvmsg(int, *Msg, int) (int, syscall.Errno)                    { return 0, none }
func Sendmsg(int, *Msg, int) (int, syscall.Errno)                    { return 0, none }
func AtMark(int) (bool, syscall.Errno)                               { return false, none }
func Ready(int, uint32) bool                                         { return false }
func Nest(int, uint32) (int, syscall.Errno)                          { return -1, none }
func GetInt(int, int, int) (int, syscall.Errno)                      { return 0, none }
func SetInt(int, int, int, int) syscall.Errno                        { return none }
func GetLinger(int) (int, syscall.Errno)                             { return 0, none }
func SetLinger(int, int) syscall.Errno                               { return none }
func SetTimestamps(int) syscall.Errno                                { return none }
func Open(string, int, uint32) (int, syscall.Errno)                  { return -1, none }
func Mkfifo(string, uint32) syscall.Errno                            { return none }
func Dup(int) (int, syscall.Errno)                                   { return -1, none }
func Nonblock(int) (bool, syscall.Errno)                             { return false, none }
func SetNonblock(int, bool) syscall.Errno                            { return none }
func CloseOnExec(int) syscall.Errno                                  { return none }
func WriteOnly(int) bool                                             { return false }
func Regular(int) (bool, syscall.Errno)                              { return false, none }
func PipeOrRegular(int) (bool, bool)                                 { return false, false }
func SameFile(int, int) bool                                         { return false }
func Chmod(int, uint32) syscall.Errno                                { return none }
func OwnSocket(string, int, int, uint32) syscall.Errno               { return none }
func TryLock(int) syscall.Errno                                      { return none }
func ProcessTime() (user, system time.Duration, errno syscall.Errno) { return 0, 0, none }
func MaxFiles() (int64, syscall.Errno)                               { return 0, none }
func IsFiles(Cmsg) bool                                              { return false }
func Files(Cmsg) func(yield func(int, int) bool)                     { return func(func(int, int) bool) {} }
func FilesSpace(int) int                                             { return 0 }
func AppendFiles(control []byte, _ []int) []byte                     { return control }
func NextCmsg([]byte) (Cmsg, []byte, bool)                           { return Cmsg{}, nil, false }
func AppendCmsg(control []byte, _, _ int, _ []byte) []byte           { return control }
