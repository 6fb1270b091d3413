package account_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ingotmetal/ingot/account"
)

// model is a BMC with one account of ours, the Secret, and a process that dies at any step. It does what internal/controller/host/login does, step by step.
type model struct {
	t   *rapid.T
	now time.Time
	// bmc is the account's password at the BMC, empty for no account. ours: it is as we set it last.
	bmc  string
	ours bool
	// secret, previous and stored are the Secret; stored is nil for none.
	secret, previous string
	stored           *account.Stored
	trial            account.Trial
	policy           account.Policy
	// refusals are the times of failed logins within one process's life.
	refusals  []time.Time
	passwords int
	// broken: changes of the account fail; lossy: their answers are lost. dislikes is a password that the BMC never takes.
	broken, lossy bool
	dislikes      string
}

func (m *model) password(l account.Login) string {
	return map[account.Login]string{account.ByCurrent: m.secret, account.ByPrevious: m.previous}[l]
}

// use is one use of the BMC, and what is due after it. dies says at which of its steps the process dies.
func (m *model) use(dies func(step string) bool) {
	works := account.Login("")
	for _, l := range account.Logins(m.stored, m.trial, m.now) {
		if l == account.ByGiven || m.password(l) == m.bmc && m.bmc != "" {
			works = l
			break
		}
		m.refusals = append(m.refusals, m.now)
		m.trial = m.trial.Refused(l, m.now)
	}
	if works == "" {
		m.t.Fatal("no way in was left to try")
	}
	m.trial = m.trial.Took(works)
	act := account.Decide(m.policy, m.stored, m.trial, m.now)
	if act == account.Nothing {
		return
	}
	if by := account.By(act, m.trial); by != account.ByGiven && m.password(by) != m.bmc {
		m.t.Fatalf("%s by the %s password, which is not the BMC's", act, by)
	}
	m.do(act, dies)
}

func (m *model) do(act account.Act, dies func(string) bool) {
	if act == account.Remove {
		m.remove(dies)
		return
	}
	if act == account.Make && m.stored != nil {
		// Nothing that is stored worked, and the given account does: what the BMC has does not matter any more.
		m.ours = false
	}
	if act == account.Make || act == account.Rotate || act == account.Replace {
		if dies("before storing") {
			return
		}
		m.passwords++
		if act != account.Replace {
			m.previous = m.secret
		}
		m.secret = string(rune('A'+m.passwords%26)) + time.Duration(m.passwords).String()
		m.stored = &account.Stored{SetAt: m.now, Asked: m.policy.Asked, HasPrevious: m.previous != ""}
		m.trial = m.trial.Stored(act, m.now)
		if dies("after storing") {
			return
		}
	}
	refused := m.broken || m.secret == m.dislikes
	if !refused {
		m.bmc, m.ours = m.secret, true
	}
	if dies("after setting") {
		return
	}
	if refused || m.lossy {
		m.trial = m.trial.Failed(m.now, false)
		return
	}
	m.trial = m.trial.Changed()
}

func (m *model) remove(dies func(string) bool) {
	if m.broken {
		m.trial = m.trial.Failed(m.now, false)
		return
	}
	m.bmc, m.ours = "", false
	if dies("after removing") {
		return
	}
	if m.lossy {
		m.trial = m.trial.Failed(m.now, false)
		return
	}
	m.stored, m.secret, m.previous, m.trial = nil, "", "", account.Trial{}
}

// check holds the invariants.
func (m *model) check() {
	if m.ours && m.bmc != m.secret && m.bmc != m.previous {
		m.t.Fatalf("the BMC has the password %q, and stored are %q and %q", m.bmc, m.secret, m.previous)
	}
	hour := 0
	for _, at := range m.refusals {
		if m.now.Sub(at) < account.RetryRefused {
			hour++
		}
	}
	// Two for the passwords that are stored, one for what was set anew, and one for what somebody else did to the account.
	if hour > 4 {
		m.t.Fatalf("%d failed logins within an hour", hour)
	}
}

// TestModel lets a process die at any step, BMCs refuse and lose answers, and people change things; then all that ends, and the account must come to be what is asked for.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{t: t, now: now, policy: account.Policy{Use: account.Own, RotateAfter: 24 * time.Hour}}
		for range rapid.IntRange(1, 60).Draw(t, "looks") {
			m.now = m.now.Add(time.Duration(rapid.SampledFrom([]int{1, 1, 1, 5, 30, 600}).Draw(t, "minutes")) * time.Minute)
			switch rapid.SampledFrom([]string{"", "", "", "", "broken", "lossy", "well", "meddle", "restart", "asked", "policy", "dislikes"}).Draw(t, "event") {
			case "broken":
				m.broken = true
			case "lossy":
				m.lossy = true
			case "well":
				m.broken, m.lossy = false, false
			case "meddle":
				// Somebody else removes the account: what is refused from then on is no fault of ours.
				m.bmc, m.ours, m.refusals = "", false, nil
			case "restart":
				m.trial, m.refusals = account.Trial{}, nil
			case "asked":
				m.policy.Asked += "x"
			case "policy":
				m.policy.Use = rapid.SampledFrom([]account.Use{account.Own, account.Given}).Draw(t, "use")
			case "dislikes":
				m.dislikes = m.secret
			}
			m.use(func(step string) bool {
				if !rapid.Bool().Draw(t, "dies "+step) {
					return false
				}
				m.trial, m.refusals = account.Trial{}, nil
				return true
			})
			m.check()
		}
		m.broken, m.lossy = false, false
		for range 60 {
			m.now = m.now.Add(30 * time.Minute)
			m.use(func(string) bool { return false })
			m.check()
		}
		if m.policy.Use == account.Given {
			if m.stored != nil || m.bmc != "" {
				t.Fatalf("the account is still there: %q at the BMC, stored %+v", m.bmc, m.stored)
			}
			return
		}
		if m.stored == nil || m.bmc != m.secret || m.trial.Worked != account.ByCurrent || m.stored.Asked != m.policy.Asked {
			t.Fatalf("it never came to rest: %q at the BMC, stored %q, %+v, %+v", m.bmc, m.secret, m.stored, m.trial)
		}
	})
}
