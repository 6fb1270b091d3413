// Package replace decides how a Firewall's machine is replaced by another one: what the next step is, and what it waits for.
//
// It owns the order of the steps and the right to the Firewall's addresses. It refuses to find out anything: what the machines said, what their BMCs say and what was asked for come in, and one step goes out. The steps are done by
// package controller/firewall; who may answer for the addresses is kept in the kernel of each machine by package node/gateway.
//
// The shape: the right has a term, a number that grows each time the right changes hands, and at each term one machine has it, or nobody. A machine that reads of a later term than its own stops answering before it says so, and what
// it says has the term: a word about an earlier term is worth nothing. Between two machines there is always a term at which nobody may answer. It ends when the earlier one has said that it stopped, or its BMC says that it is off, or it
// is wiped: silence alone never is a proof, since a machine that is cut off from the API server goes on forwarding, as it should.
//
// A Firewall's first machine was installed with the Firewall's addresses and has no others: once another machine answers for them, it cannot be told anything any more, and the addresses do not go back to it. Each later machine has its own.
//
// Connections are not handed over: what was tracked by the one machine is unknown to the other. A flow whose rule is still there goes on where its packets are taken for new ones (UDP, ICMP, and TCP without translated addresses); a TCP
// connection through masquerade is reset or times out, and is made anew.
//
// Invariants:
//   - At no time two machines may answer.
//   - The earlier machine is released only after the new one has said that it answers.
//   - A new machine that does not get healthy changes nothing for those who go through the earlier one.
//   - A replacement ends with one machine, whoever dies, as long as BMCs obey.
package replace
