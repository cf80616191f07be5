package client

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/internal/atomicfile"
)

// Identity is the key by which the gateway knows this device, and the tokens
// that it was given. It is not safe for concurrent use.
type Identity struct {
	dir    string // "" when nothing can be kept
	owner  *owner // of the files, nil for this process's user
	fresh  []byte // the file of one that was made and is not kept yet
	id     string
	key    ed25519.PrivateKey
	tokens map[string]deviceToken // by role
}

type deviceFile struct {
	Version       int    `json:"version"`
	DeviceID      string `json:"deviceId"`
	PublicKeyPem  string `json:"publicKeyPem"`
	PrivateKeyPem string `json:"privateKeyPem"`
	CreatedAtMs   int64  `json:"createdAtMs"`
}

type tokenFile struct {
	Version  int                    `json:"version"`
	DeviceID string                 `json:"deviceId"`
	Tokens   map[string]deviceToken `json:"tokens"`
}

type deviceToken struct {
	Token       string   `json:"token"`
	Role        string   `json:"role"`
	Scopes      []string `json:"scopes"`
	UpdatedAtMs int64    `json:"updatedAtMs"`
}

const (
	deviceName = "device.json"
	tokenName  = "device-auth.json"
)

// LoadIdentity reads the identity below a state dir, and makes one where there
// is none or it makes no sense: a device that lost its key is a new device. It is kept
// when a gateway is first told of it, and not before. Where there is no state dir, or
// it cannot be written, the identity lasts as long as the process. What root keeps in
// the state dir of a user belongs to that user.
func LoadIdentity(stateDir string) (*Identity, error) {
	i := &Identity{dir: filepath.Join(stateDir, "identity"), tokens: map[string]deviceToken{}}
	raw, err := os.ReadFile(filepath.Join(i.dir, deviceName))
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("device identity: %w; it was made by another user: give %s to yourself, or remove it", err, i.dir)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("device identity: %w", err)
	}
	info, gone := os.Stat(stateDir)
	if gone == nil {
		i.owner = ownerOf(info)
	}
	file, key, err := parseDevice(raw)
	if err != nil {
		if gone != nil {
			i.dir = ""
		}
		return i, i.create()
	}
	i.take(key)
	if file.DeviceID != i.id {
		file.DeviceID = i.id
		i.write(deviceName, file)
	}
	i.loadTokens()
	return i, nil
}

// PeekIdentity is LoadIdentity for one that is there, and makes and changes nothing.
func PeekIdentity(stateDir string) (*Identity, error) {
	dir := filepath.Join(stateDir, "identity")
	raw, err := os.ReadFile(filepath.Join(dir, deviceName))
	if err != nil {
		return nil, fmt.Errorf("device identity: %w", err)
	}
	_, key, err := parseDevice(raw)
	if err != nil {
		return nil, fmt.Errorf("device identity: %w", err)
	}
	i := &Identity{dir: dir, tokens: map[string]deviceToken{}}
	i.take(key)
	i.loadTokens()
	i.dir = ""
	return i, nil
}

// ID is the device's name.
func (i *Identity) ID() string { return i.id }

func parseDevice(raw []byte) (deviceFile, ed25519.PrivateKey, error) {
	var file deviceFile
	if err := json.Unmarshal(raw, &file); err != nil {
		return file, nil, err
	}
	block, _ := pem.Decode([]byte(file.PrivateKeyPem))
	if block == nil {
		return file, nil, errors.New("no private key")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return file, nil, err
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return file, nil, errors.New("not an Ed25519 key")
	}
	return file, key, nil
}

func (i *Identity) create() error {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return fmt.Errorf("device identity: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("device identity: %w", err)
	}
	i.take(key)
	public, err := x509.MarshalPKIXPublicKey(i.public())
	if err != nil {
		return fmt.Errorf("device identity: %w", err)
	}
	i.fresh, err = json.MarshalIndent(deviceFile{
		Version: 1, DeviceID: i.id, CreatedAtMs: time.Now().UnixMilli(),
		PublicKeyPem:  string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
		PrivateKeyPem: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})),
	}, "", "  ")
	return err
}

// keep puts an identity that was made into its file. When another process has been
// quicker, its identity is taken, so that two who begin at once are one device.
func (i *Identity) keep() {
	text := i.fresh
	i.fresh = nil
	if i.dir == "" || text == nil {
		return
	}
	if err := i.place(append(text, '\n')); err != nil {
		i.dir = "" // what cannot be kept is made anew the next time
	}
}

// place writes the file of an identity that was made, unless another is there.
func (i *Identity) place(text []byte) error {
	if i.owner != nil {
		return i.put(deviceName, text)
	}
	if err := os.MkdirAll(i.dir, 0o700); err != nil {
		return err
	}
	path := filepath.Join(i.dir, deviceName)
	temp, err := os.CreateTemp(i.dir, "."+deviceName+".*.tmp") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temp.Name()) }() // the link, if any, stays
	_, err = temp.Write(text)
	if err = errors.Join(err, temp.Close()); err != nil {
		return err
	}
	err = os.Link(temp.Name(), path)
	if err == nil {
		return nil
	}
	if raw, readErr := os.ReadFile(path); readErr == nil {
		if _, key, err := parseDevice(raw); err == nil {
			i.take(key)
			i.loadTokens()
			return nil
		}
	}
	return i.put(deviceName, text) // over nonsense, or where there are no links
}

// put replaces a file of the identity.
func (i *Identity) put(name string, text []byte) error {
	if i.owner != nil {
		return i.owner.write(filepath.Dir(i.dir), filepath.Join(filepath.Base(i.dir), name), text)
	}
	if err := os.MkdirAll(i.dir, 0o700); err != nil {
		return err
	}
	return atomicfile.WriteFile(filepath.Join(i.dir, name), text, 0o600)
}

// write keeps v in a file. What cannot be kept is made anew the next time, so a
// command that only looks does not fail for it.
func (i *Identity) write(name string, v any) {
	if i.dir == "" {
		return
	}
	text, err := json.MarshalIndent(v, "", "  ")
	if err == nil {
		err = i.put(name, append(text, '\n'))
	}
	if err != nil {
		i.dir = ""
	}
}

// loadTokens reads the tokens; those of another device, or that cannot be read, do not count.
func (i *Identity) loadTokens() {
	raw, err := os.ReadFile(filepath.Join(i.dir, tokenName))
	if err != nil {
		return
	}
	var file tokenFile
	if json.Unmarshal(raw, &file) == nil && file.DeviceID == i.id && file.Tokens != nil {
		i.tokens = file.Tokens
	}
}

// remember keeps the token that hello-ok brought; one that is known writes nothing.
func (i *Identity) remember(a *protocol.HelloAuth) {
	if a == nil || i.tokens[a.Role].Token == a.DeviceToken {
		return
	}
	i.tokens[a.Role] = deviceToken{Token: a.DeviceToken, Role: a.Role, Scopes: a.Scopes, UpdatedAtMs: time.Now().UnixMilli()}
	i.write(tokenName, tokenFile{Version: 1, DeviceID: i.id, Tokens: i.tokens})
}

// forget drops the token of a role, which the gateway no longer takes.
func (i *Identity) forget(role string) {
	if _, ok := i.tokens[role]; !ok {
		return
	}
	delete(i.tokens, role)
	i.write(tokenName, tokenFile{Version: 1, DeviceID: i.id, Tokens: i.tokens})
}

// take makes key that of the identity, which is named by it.
func (i *Identity) take(key ed25519.PrivateKey) {
	i.key = key
	i.id = protocol.DeviceID(i.public())
}

func (i *Identity) public() ed25519.PublicKey { return i.key.Public().(ed25519.PublicKey) }

// Token is the token that the device was given for a role, "" if it has none.
func (i *Identity) Token(role string) string { return i.tokens[role].Token }
