package ticket

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net"
	"net/http"
	"strings"
	"time"
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
}

// payloadSize is that of what is sealed: the moment of the end, ms since 1970, and what tells sessions apart.
const payloadSize = 8 + 16

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
	rand.Read(payload[8:]) // never fails
	value := append(payload, s.seal(OriginOf(r), payload)...)
	return &http.Cookie{
		Name: cookieName(r.Host), Value: base64.RawURLEncoding.EncodeToString(value), Path: "/", MaxAge: int(sessionLife / time.Second),
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil,
	}
}

// Ends tells until when the sender of a request is a browser that had a ticket; the
// zero time when it is none. The page that made the request must be of the gateway's own
// origin: a browser sends cookies to a host whatever the port of the page.
func (s *Sessions) Ends(r *http.Request) time.Time {
	if r.Header.Get("Origin") == "" || !strings.EqualFold(r.Header.Get("Origin"), OriginOf(r)) {
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
	if !hmac.Equal(seal, s.seal(OriginOf(r), payload)) || !s.Now().Before(ends) {
		return time.Time{}
	}
	return ends
}

// OriginOf is the origin of the pages that the request's server answers with.
func OriginOf(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + strings.ToLower(r.Host)
}
