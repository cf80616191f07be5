package ticket

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/coderclaw/coderclaw/internal/proctable"
)

// sessionLife is how long a cookie is good for, used or not.
const sessionLife = 12 * time.Hour

// Sessions makes and checks the cookies of browsers. A cookie is a moment and a few
// random bytes under a seal, so that nothing has to be kept of it: it outlives a restart
// of the gateway, and ends with its time or with the gateway's shared secret. It is safe
// for concurrent use.
type Sessions struct {
	Key    func() []byte // random bytes that only this gateway knows
	Secret func() string // what clients of the gateway must know now; sessions end when it changes
	Now    func() time.Time
	// User is the user id at the other end of a request's connection, -1 where it cannot be
	// told. What cannot be told when the cookie is made is not asked for later.
	User func(*http.Request) int
}

// payloadSize is that of what is sealed: the moment of the end, ms since 1970, whose the
// browser is, and what tells sessions apart.
const payloadSize = 8 + 8 + 16

func (s *Sessions) seal(origin string, payload []byte) []byte {
	key := hmac.New(sha256.New, s.Key())
	key.Write([]byte("browser session 1\x00" + s.Secret()))
	mac := hmac.New(sha256.New, key.Sum(nil))
	mac.Write(payload) // of a fixed size, so that nothing can move between the two
	mac.Write([]byte(origin))
	return mac.Sum(nil)
}

// cookieName differs by port, since a browser keeps one set of cookies for all ports of a host.
func cookieName(host string) string {
	_, port, err := net.SplitHostPort(host)
	if err != nil {
		return "coderclaw_session"
	}
	return "coderclaw_session_" + port
}

// New is the cookie for a browser whose page is of the request's origin.
func (s *Sessions) New(r *http.Request) *http.Cookie {
	ends := s.Now().Add(sessionLife)
	payload := make([]byte, payloadSize)
	binary.BigEndian.PutUint64(payload, uint64(ends.UnixMilli()))
	binary.BigEndian.PutUint64(payload[8:], uint64(s.User(r)))
	rand.Read(payload[16:]) // never fails
	value := append(payload, s.seal(originOf(r), payload)...)
	return &http.Cookie{
		Name: cookieName(r.Host), Value: base64.RawURLEncoding.EncodeToString(value), Path: "/", MaxAge: int(sessionLife / time.Second),
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil,
	}
}

// Ends tells until when the sender of a request is a browser that had a ticket; the
// zero time when it is none. The page that made the request must be of the gateway's own
// origin: a browser sends cookies to a host whatever the port of the page.
func (s *Sessions) Ends(r *http.Request) time.Time {
	if r.Header.Get("Origin") == "" || !strings.EqualFold(r.Header.Get("Origin"), originOf(r)) {
		return time.Time{}
	}
	c, err := r.Cookie(cookieName(r.Host))
	if err != nil {
		return time.Time{}
	}
	value, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil || len(value) != payloadSize+sha256.Size {
		return time.Time{}
	}
	payload, seal := value[:payloadSize], value[payloadSize:]
	ends := time.UnixMilli(int64(binary.BigEndian.Uint64(payload)))
	if !hmac.Equal(seal, s.seal(originOf(r), payload)) || !s.Now().Before(ends) {
		return time.Time{}
	}
	if user := int64(binary.BigEndian.Uint64(payload[8:])); user != -1 && user != int64(s.User(r)) {
		return time.Time{}
	}
	return ends
}

// UserOf is the user id at the other end of the connection that a request came on, -1
// where it cannot be told.
func UserOf(r *http.Request) int {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if local == nil {
		return -1
	}
	server, err := netip.ParseAddrPort(local.String())
	if err != nil {
		return -1
	}
	client, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return -1
	}
	uid, err := proctable.ConnectedUser(client, server)
	if err != nil {
		return -1
	}
	return uid
}

// originOf is the origin of the pages that the request's server answers with.
func originOf(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + strings.ToLower(r.Host)
}
