package bmcsim

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

func (b *BMC) listSystems(*call) reply {
	return ok(collection("/redfish/v1/Systems", "ComputerSystemCollection", "Computer System Collection", []string{b.who.SystemID}))
}

const resetAction = "/Actions/ComputerSystem.Reset"

func (b *BMC) system(*call) reply {
	hw := b.machine.Hardware()
	p := b.systemPath()
	threads, model := 0, ""
	for _, c := range hw.CPUs {
		threads += max(c.Threads, c.Cores)
		model = c.Model
	}
	reset := doc{"target": p + resetAction}
	if b.who.ResetByActionInfo {
		reset["@Redfish.ActionInfo"] = p + "/ResetActionInfo"
	} else {
		reset["ResetType@Redfish.AllowableValues"] = b.who.resetTypes()
	}
	more := doc{
		"SystemType": "Physical", "Manufacturer": b.manufacturer(hw), "Model": b.model(hw), "SerialNumber": hw.SerialNumber, "SKU": hw.SKU, "UUID": hw.UUID,
		"BiosVersion": b.version("bios"), "HostName": "", "Status": b.rollup(),
		"MemorySummary":    doc{"TotalSystemMemoryGiB": float64(hw.MemoryMebibytes) / 1024, "Status": healthy()},
		"ProcessorSummary": doc{"Count": len(hw.CPUs), "LogicalProcessorCount": threads, "Model": model, "Status": healthy()},
		"Processors":       ref(p + "/Processors"), "Memory": ref(p + "/Memory"), "EthernetInterfaces": ref(p + "/EthernetInterfaces"), "Storage": ref(p + "/Storage"),
		"Actions": doc{"#ComputerSystem.Reset": reset},
		"Links":   doc{"ManagedBy": []doc{ref(b.managerPath())}, "Chassis": []doc{ref("/redfish/v1/Chassis/1")}},
	}
	if !b.who.NoBIOS {
		more["Bios"] = ref(b.biosPath())
	}
	if b.hasSecureBoot() {
		more["SecureBoot"] = ref(p + "/SecureBoot")
	}
	if len(b.logIDs()) > 0 {
		more["LogServices"] = ref(p + "/LogServices")
	}
	if b.serial != nil {
		// DSP0268, ComputerSystem.SerialConsole.
		more["SerialConsole"] = doc{"MaxConcurrentSessions": 1, "SSH": doc{"ServiceEnabled": true, "Port": b.serial.Port(), "SharedWithManagerCLI": false}}
	}
	if b.who.MediaUnderSystem {
		more["VirtualMedia"] = ref(b.mediaPath())
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	more["PowerState"] = b.shownPower()
	more["Boot"] = b.bootDoc(hw)
	return ok(resource(p, "#ComputerSystem.v1_23_1.ComputerSystem", b.who.SystemID, "System "+b.config.Name, more))
}

// bootDoc is called with mu held.
func (b *BMC) bootDoc(hw Hardware) doc {
	target := b.override.target
	if target == virtualCDAttribute {
		target = "Cd"
	}
	d := doc{
		"BootSourceOverrideEnabled": b.override.enabled, "BootSourceOverrideEnabled@Redfish.AllowableValues": b.who.overrideKinds(),
		"BootSourceOverrideTarget": target, "BootSourceOverrideTarget@Redfish.AllowableValues": b.who.bootSources(),
		"BootSourceOverrideMode": b.override.mode, "BootSourceOverrideMode@Redfish.AllowableValues": modes(hw),
	}
	b.addHTTPBoot(d)
	return d
}

func modes(hw Hardware) []string {
	var m []string
	if hw.UEFI {
		m = append(m, "UEFI")
	}
	if hw.Legacy {
		m = append(m, "Legacy")
	}
	return m
}

func (b *BMC) resetActionInfo(c *call) reply {
	return ok(resource(c.path, "#ActionInfo.v1_4_2.ActionInfo", "ResetActionInfo", "Reset Action Info", doc{
		"Parameters": []doc{{"Name": "ResetType", "Required": true, "DataType": "String", "AllowableValues": b.who.resetTypes()}},
	}))
}

// shownPower is the power state for one read. It is called with mu held.
func (b *BMC) shownPower() string {
	if b.power.staleReads > 0 {
		b.power.staleReads--
		return b.power.stale
	}
	if time.Now().Before(b.power.until) {
		return b.power.changing
	}
	return onOff(b.machine.Powered())
}

func onOff(on bool) string {
	if on {
		return "On"
	}
	return "Off"
}

// patchSystem takes the boot override, as a whole or not at all.
func (b *BMC) patchSystem(c *call) reply {
	var ask struct {
		Boot *struct {
			BootSourceOverrideEnabled, BootSourceOverrideTarget, BootSourceOverrideMode, HttpBootUri *string // Redfish's spelling
		}
	}
	if rep := c.into(&ask); rep != nil {
		return *rep
	}
	if ask.Boot == nil {
		return refuse(http.StatusBadRequest, "PropertyMissing", "The property Boot is a required property and must be included in the request.")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	next := b.override
	for _, p := range []struct {
		name  string
		asked *string
		set   *string
		can   []string
	}{
		{"BootSourceOverrideEnabled", ask.Boot.BootSourceOverrideEnabled, &next.enabled, b.who.overrideKinds()},
		{"BootSourceOverrideTarget", ask.Boot.BootSourceOverrideTarget, &next.target, b.who.bootSources()},
		{"BootSourceOverrideMode", ask.Boot.BootSourceOverrideMode, &next.mode, modes(b.machine.Hardware())},
	} {
		if p.asked == nil {
			continue
		}
		if !slices.Contains(p.can, *p.asked) {
			return refuse(http.StatusBadRequest, "PropertyValueNotInList", "The value '"+*p.asked+"' for the property "+p.name+" is not in the list of acceptable values.")
		}
		*p.set = *p.asked
	}
	if ask.Boot.BootSourceOverrideMode == nil && b.who.LegacyWithoutMode && slices.Contains(modes(b.machine.Hardware()), "Legacy") {
		next.mode = "Legacy"
	}
	if ask.Boot.HttpBootUri != nil {
		next.httpURI = *ask.Boot.HttpBootUri
	}
	if next.target == "UefiHttp" && next.enabled != "Disabled" && !bootable(next) {
		return refuse(http.StatusBadRequest, "PropertyValueConflict", "The property BootSourceOverrideTarget with the value UefiHttp needs the property HttpBootUri and UEFI mode.")
	}
	if next.enabled == "Disabled" {
		next.target = "None"
	}
	b.override = next
	return noContent()
}

func (b *BMC) secureBootDoc(c *call) reply {
	b.mu.Lock()
	defer b.mu.Unlock()
	current, mode := "Disabled", "UserMode"
	if b.booted {
		current = "Enabled"
	}
	return ok(resource(c.path, "#SecureBoot.v1_1_2.SecureBoot", "SecureBoot", "UEFI Secure Boot", doc{
		"SecureBootEnable": b.secureBoot, "SecureBootCurrentBoot": current, "SecureBootMode": mode,
	}))
}

func (b *BMC) patchSecureBoot(c *call) reply {
	var ask struct{ SecureBootEnable *bool }
	if rep := c.into(&ask); rep != nil {
		return *rep
	}
	if ask.SecureBootEnable == nil {
		return refuse(http.StatusBadRequest, "PropertyMissing", "The property SecureBootEnable is a required property and must be included in the request.")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.secureBoot = *ask.SecureBootEnable
	return noContent()
}

// virtualCDAttribute is Dell's name of the virtual drive as a boot device, kept in override.target though no BootSource has it.
const virtualCDAttribute = "VCD-DVD"

func (b *BMC) attributesPath() string {
	return b.managerPath() + "/Oem/Dell/DellAttributes/" + b.who.ManagerID
}

func (b *BMC) attributes(c *call) reply {
	b.mu.Lock()
	defer b.mu.Unlock()
	once, first := "Disabled", "Normal"
	if b.override.enabled == "Once" && b.override.target == virtualCDAttribute {
		once, first = "Enabled", virtualCDAttribute
	}
	return ok(resource(c.path, "#DellAttributes.v1_0_0.DellAttributes", b.who.ManagerID, "Attributes", doc{
		"Attributes": doc{"ServerBoot.1.BootOnce": once, "ServerBoot.1.FirstBootDevice": first},
	}))
}

func (b *BMC) patchAttributes(c *call) reply {
	var ask struct{ Attributes map[string]json.RawMessage }
	if rep := c.into(&ask); rep != nil {
		return *rep
	}
	var once, first string
	_ = json.Unmarshal(ask.Attributes["ServerBoot.1.BootOnce"], &once)         // a wrong type is an unknown value below
	_ = json.Unmarshal(ask.Attributes["ServerBoot.1.FirstBootDevice"], &first) // the same
	if len(ask.Attributes) != 2 || once != "Enabled" || first != virtualCDAttribute {
		return refuse(http.StatusBadRequest, "PropertyValueNotInList", "Only one boot from the virtual CD can be asked for here.")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.override.enabled, b.override.target = "Once", virtualCDAttribute
	return ok(doc{"@Message.ExtendedInfo": []doc{{"MessageId": "Base.1.12.Success", "Message": "Successfully Completed Request"}}})
}

// maxAuthorities is how many certificates for HTTPS boot a BMC holds.
const maxAuthorities = 8

// authorities are the PEM certificates of ComputerSystem.Boot.Certificates, in the order in which they came.
type authorities []string

func (a authorities) bundle() string { return strings.Join(a, "\n") }

// bootable: UEFI HTTP boot needs something to fetch, and UEFI.
func bootable(o override) bool {
	u, err := url.Parse(o.httpURI)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && o.mode == "UEFI"
}

func (b *BMC) authoritiesPath() string { return b.systemPath() + "/Boot/Certificates" }

// addHTTPBoot is called with mu held.
func (b *BMC) addHTTPBoot(boot doc) {
	if b.who.NoHTTPBoot {
		return
	}
	boot["HttpBootUri"] = b.override.httpURI
	if !b.who.NoAuthorities {
		boot["Certificates"] = ref(b.authoritiesPath())
	}
}

func (b *BMC) authorityRoutes() []route {
	if b.who.NoHTTPBoot || b.who.NoAuthorities {
		return nil
	}
	p := b.authoritiesPath()
	return []route{get(p, b.listAuthorities).and(http.MethodPost, b.addAuthority), get(p+"/*", b.readAuthority)}
}

func (b *BMC) listAuthorities(c *call) reply {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ids []string
	for i := range b.authorities {
		ids = append(ids, strconv.Itoa(i+1))
	}
	return ok(collection(c.path, "CertificateCollection", "Certificates for HTTPS boot", ids))
}

func (b *BMC) readAuthority(c *call) reply {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, err := strconv.Atoi(c.part)
	if err != nil || n < 1 || n > len(b.authorities) {
		return notFound(c)
	}
	return ok(b.authorityDoc(n))
}

func (b *BMC) authorityDoc(n int) doc {
	id := strconv.Itoa(n)
	return resource(b.authoritiesPath()+"/"+id, "#Certificate.v1_9_0.Certificate", id, "Certificate for HTTPS boot", doc{
		"CertificateType": "PEM", "CertificateString": b.authorities[n-1],
	})
}

func (b *BMC) addAuthority(c *call) reply {
	var ask struct{ CertificateString, CertificateType string }
	if rep := c.into(&ask); rep != nil {
		return *rep
	}
	block, _ := pem.Decode([]byte(ask.CertificateString))
	if ask.CertificateType != "PEM" || block == nil || block.Type != "CERTIFICATE" {
		return refuse(http.StatusBadRequest, "PropertyValueFormatError", "The property CertificateString is not a certificate in PEM.")
	}
	if _, err := x509.ParseCertificate(block.Bytes); err != nil {
		return refuse(http.StatusBadRequest, "PropertyValueFormatError", "The property CertificateString does not hold an X.509 certificate.")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.authorities) >= maxAuthorities {
		return refuse(http.StatusBadRequest, "CreateLimitReachedForResource", "The create operation failed because the resource has reached the limit of possible resources.")
	}
	b.authorities = append(b.authorities, ask.CertificateString)
	rep := ok(b.authorityDoc(len(b.authorities)))
	rep.status = http.StatusCreated
	return rep
}
