package journey

// The reasons, by what they speak of. No other value appears in an Outcome.
const (
	// ReasonPaused: the paused annotation is there; nothing is looked at.
	ReasonPaused Reason = "Paused"
	// ReasonDetached: the detached annotation is there; the machine is left alone.
	ReasonDetached Reason = "Detached"
	// ReasonDeleteDelayed: deleted while detached with deleteAction delay.
	ReasonDeleteDelayed Reason = "DeleteDelayed"
	// ReasonObjectsChanged: only the objects change in this pass.
	ReasonObjectsChanged Reason = "ObjectsChanged"
	// ReasonStageChanged: the host moved to another state.
	ReasonStageChanged Reason = "StageChanged"
	// ReasonAnnotationInvalid: an annotation cannot be read.
	ReasonAnnotationInvalid Reason = "AnnotationInvalid"
	// ReasonUnknownState: the host's state is none that is known.
	ReasonUnknownState Reason = "UnknownState"
	// ReasonUnsafeDecision: what was decided breaks an invariant, and is not done.
	ReasonUnsafeDecision Reason = "UnsafeDecision"
	// ReasonSavingHardware: the HardwareData is written.
	ReasonSavingHardware Reason = "SavingHardware"

	// ReasonReadingInventory: the BMC is asked what the machine is made of.
	ReasonReadingInventory Reason = "ReadingInventory"

	// ReasonNoBMC: the host names no BMC.
	ReasonNoBMC Reason = "NoBMC"
	// ReasonCredentialsMissing: the BMC's Secret is not there.
	ReasonCredentialsMissing Reason = "CredentialsMissing"
	// ReasonNamespaceNotBound: the partition role may not read Secrets in the host's namespace yet.
	ReasonNamespaceNotBound Reason = "NamespaceNotBound"
	// ReasonCredentialsIncomplete: the BMC's Secret lacks a key.
	ReasonCredentialsIncomplete Reason = "CredentialsIncomplete"
	// ReasonVerifying: the BMC is asked whether the credentials work.
	ReasonVerifying Reason = "VerifyingBMC"

	// ReasonOpeningWindow: the boot window is opened.
	ReasonOpeningWindow Reason = "OpeningBootWindow"
	// ReasonBootingAgent: the machine is told to boot the agent.
	ReasonBootingAgent Reason = "BootingAgent"
	// ReasonWaitingForAgent: the machine boots, the agent has not called yet.
	ReasonWaitingForAgent Reason = "WaitingForAgent"
	// ReasonAgentSilent: the agent called before, and does not now.
	ReasonAgentSilent Reason = "AgentSilent"
	// ReasonStepStarting: a step is handed to the agent.
	ReasonStepStarting Reason = "StepStarting"
	// ReasonStepRunning: the agent works at a step.
	ReasonStepRunning Reason = "StepRunning"
	// ReasonClosingWindow: the boot window is closed.
	ReasonClosingWindow Reason = "ClosingBootWindow"
	// ReasonBootingDisk: the machine is told to boot from its disk.
	ReasonBootingDisk Reason = "BootingDisk"
	// ReasonHandingOver: the agent's machine is made ready to go on with the installed system by itself.
	ReasonHandingOver Reason = "HandingOver"
	// ReasonBootingISO: the machine is told to boot a live ISO.
	ReasonBootingISO Reason = "BootingLiveISO"
	// ReasonEjecting: the owner's medium is taken out of the virtual CD drive.
	ReasonEjecting Reason = "EjectingMedium"

	// ReasonImageInvalid: the image cannot be provisioned as it is described.
	ReasonImageInvalid Reason = "ImageInvalid"
	// ReasonImageGivenUp: the same image failed too often.
	ReasonImageGivenUp Reason = "ImageGivenUp"
	// ReasonSecretUnusable: a first-boot Secret is missing or cannot be used.
	ReasonSecretUnusable Reason = "SecretUnusable"

	// ReasonReadingPower: the power state is read.
	ReasonReadingPower Reason = "ReadingPower"
	// ReasonPowerChanging: a change of power was asked for and is not seen yet.
	ReasonPowerChanging Reason = "PowerChanging"
	// ReasonRebootHeld: reboot annotations with a key hold the machine off.
	ReasonRebootHeld Reason = "RebootHeld"
	// ReasonRestarting: the machine is reset.
	ReasonRestarting Reason = "Restarting"

	// ReasonAvailable: clean, and nobody asks for it.
	ReasonAvailable Reason = "Available"
	// ReasonProvisioned: the image runs.
	ReasonProvisioned Reason = "Provisioned"
	// ReasonExternallyProvisioned: something else owns the disk; only power is managed.
	ReasonExternallyProvisioned Reason = "ExternallyProvisioned"
	// ReasonReleasing: the last traces are removed.
	ReasonReleasing Reason = "Releasing"
	// ReasonGone: nothing of this host is ours any more.
	ReasonGone Reason = "Gone"

	// ReasonReadingFirmware: the firmware's settings are read.
	ReasonReadingFirmware Reason = "ReadingFirmwareSettings"
	// ReasonSettingFirmware: the BMC is asked for other settings.
	ReasonSettingFirmware Reason = "SettingFirmware"
	// ReasonFirmwareNotInForce: the machine was booted for its settings, and the BMC does not show them yet.
	ReasonFirmwareNotInForce Reason = "FirmwareNotInForce"
	// ReasonUpdatingFirmware: a component's firmware is updated, or its version looked at for it.
	ReasonUpdatingFirmware Reason = "UpdatingFirmware"
	// ReasonChangingVolumes: the volumes of RAID controllers are read, made or deleted.
	ReasonChangingVolumes Reason = "ChangingRAIDVolumes"
	// ReasonServicing: a provisioned machine is serviced at its start.
	ReasonServicing Reason = "Servicing"
	// ReasonServicingFailed: that failed; the machine was started all the same.
	ReasonServicingFailed Reason = "ServicingFailed"

	// ReasonBurnInFailed: a part of the machine failed its test.
	ReasonBurnInFailed Reason = "BurnInFailed"

	// ReasonCertificateChanged: the BMC shows another certificate than the one that is pinned.
	ReasonCertificateChanged Reason = "BMCCertificateChanged"

	// ReasonBusy: the BMC asked for patience.
	ReasonBusy Reason = "BMCBusy"
	// The failures, by Metal3's error type; status.errorMessage has the message.
	ReasonRegistrationFailed Reason = "RegistrationFailed"
	ReasonInspectionFailed   Reason = "InspectionFailed"
	ReasonPreparationFailed  Reason = "PreparationFailed"
	ReasonProvisioningFailed Reason = "ProvisioningFailed"
	ReasonCleaningFailed     Reason = "CleaningFailed"
	ReasonPowerFailed        Reason = "PowerManagementFailed"
)

// Reasons is the closed list.
func Reasons() []Reason {
	return []Reason{
		ReasonPaused, ReasonDetached, ReasonDeleteDelayed, ReasonObjectsChanged, ReasonStageChanged, ReasonAnnotationInvalid, ReasonUnknownState, ReasonUnsafeDecision, ReasonSavingHardware, ReasonReadingInventory,
		ReasonNoBMC, ReasonNamespaceNotBound, ReasonCredentialsMissing, ReasonCredentialsIncomplete, ReasonVerifying,
		ReasonOpeningWindow, ReasonBootingAgent, ReasonWaitingForAgent, ReasonAgentSilent, ReasonStepStarting, ReasonStepRunning,
		ReasonClosingWindow, ReasonBootingDisk, ReasonHandingOver, ReasonBootingISO, ReasonEjecting,
		ReasonImageInvalid, ReasonImageGivenUp, ReasonSecretUnusable,
		ReasonReadingPower, ReasonPowerChanging, ReasonRebootHeld, ReasonRestarting,
		ReasonAvailable, ReasonProvisioned, ReasonExternallyProvisioned, ReasonReleasing, ReasonGone,
		ReasonReadingFirmware, ReasonSettingFirmware, ReasonFirmwareNotInForce, ReasonUpdatingFirmware, ReasonChangingVolumes, ReasonServicing, ReasonServicingFailed,
		ReasonBurnInFailed, ReasonCertificateChanged, ReasonBusy, ReasonRegistrationFailed, ReasonInspectionFailed, ReasonPreparationFailed, ReasonProvisioningFailed, ReasonCleaningFailed, ReasonPowerFailed,
	}
}
