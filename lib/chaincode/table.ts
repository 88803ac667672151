/** The one table of functions: what is not in it does not exist, whoever asks. */
import { accessList, accessRequest } from './access.ts';
import { claimAnswer, claimGet, claimList } from './claim-answer.ts';
import { claimEstimate, claimSubmit, claimWithdraw } from './claim.ts';
import { caseClose, caseConsent, caseOpen, caseReread, caseTell, caseWithdraw } from './case.ts';
import { caseAccept, caseDischarge, caseHandover } from './case-course.ts';
import { caseConsents, caseGet, caseList } from './case-lists.ts';
import { caseLeave, caseMembers, casePatientKey, caseRekey, caseSeal } from './case-members.ts';
import { caseNote, caseOpinion, caseRead } from './case-notes.ts';
import { caseKeys, caseLog, caseNotes, caseQuestions, caseShow } from './case-queries.ts';
import { caseQuestion, caseSettle, caseVote } from './case-questions.ts';
import {
  emergencyAccess,
  emergencyBind,
  emergencyDeclare,
  emergencyDeposit,
  emergencyWithdraw,
} from './emergency.ts';
import { emergencyGet, emergencyList, emergencyReview } from './emergency-review.ts';
import { escrowGet } from './escrow.ts';
import type { ChaincodeFunction } from './functions.ts';
import { governanceProbe, networkHead } from './governance.ts';
import { copyDeleted, copyHeld, copyList, copyRequest, patientChooseHospitals } from './copy.ts';
import { copyTeam } from './copy-team.ts';
import {
  erasureGet,
  erasureRenew,
  patientErase,
  patientErased,
  recordErase,
  recordErased,
} from './erasure.ts';
import { networkAuthority } from './authority.ts';
import { historyList } from './history.ts';
import {
  identityGet,
  identityRegisterClinician,
  identityRenew,
  identityRevoke,
} from './identity.ts';
import { inboxList } from './inbox.ts';
import { identityLapse } from './lapse.ts';
import { patientGet, patientPublishKeys, patientRegister } from './patient.ts';
import { permissionExtend, permissionNarrow, permissionReseal } from './permission-changes.ts';
import {
  patientPermissions,
  permissionEarlier,
  permissionGet,
  permissionGrant,
  permissionReceived,
  permissionRevoke,
} from './permission.ts';
import { governanceGet, governanceList, networkValidators } from './governance-queries.ts';
import { caseProbe, governanceCloseProbe, governanceOpenProbe } from './probe-ledger.ts';
import { governanceApprove, governancePropose, governanceWithdraw } from './proposals.ts';
import {
  identityApproveReenrolment,
  identityFinishReenrolment,
  identityReenrol,
  identityReenrolment,
  identityVetoReenrolment,
} from './reenrolment.ts';
import {
  representativeAppoint,
  representativeEnd,
  representativeList,
  representativeMine,
} from './representative.ts';
import {
  recordCountersign,
  recordDispute,
  recordRegister,
  recordRetract,
  recordStored,
} from './record.ts';
import { recordGet, recordList } from './record-queries.ts';
import { releasePublish } from './publication.ts';
import {
  recoveryEnd,
  recoveryGet,
  recoveryRelease,
  recoveryRotate,
  recoverySetup,
  recoveryStart,
  recoveryVeto,
} from './recovery.ts';
import { patientPrivate, patientPrivateList } from './private.ts';
import {
  prescriptionCancel,
  prescriptionIssue,
  prescriptionRecall,
  prescriptionRelease,
} from './prescription.ts';
import { prescriptionFill } from './prescription-fill.ts';
import {
  prescriptionFills,
  prescriptionGet,
  prescriptionList,
  prescriptionReceived,
} from './prescription-queries.ts';
import {
  guardRotation,
  patientRotations,
  rotateBegin,
  rotateFinish,
  rotateRenew,
} from './rotation.ts';
import { recordLeave, recordRelayered, recordRetag } from './rotation-records.ts';
import {
  releaseAccess,
  releaseBatch,
  releaseCollect,
  releaseEntries,
  releaseKnown,
  releaseList,
  releaseMine,
  releaseSubmit,
} from './release.ts';
import {
  studyApprove,
  studyClose,
  studyGet,
  studyJoin,
  studyList,
  studyLog,
  studyMine,
  studyRegister,
  studyWithdraw,
} from './study.ts';
import { identityApproveUnmask, identityUnmask, identityUnmaskings } from './unmask.ts';
import { teamChange, teamClose, teamCreate, teamPublishKey, teamSeal } from './team.ts';
import { teamGet, teamList, teamLog, teamMine, teamPermissions } from './team-queries.ts';
import { validatorAccuse, validatorRejoin, validatorRotateKey } from './validator.ts';

export const chaincodeFunctions: readonly ChaincodeFunction[] = [
  identityRegisterClinician,
  identityRenew,
  identityRevoke,
  identityGet,
  identityReenrol,
  identityApproveReenrolment,
  identityFinishReenrolment,
  identityVetoReenrolment,
  identityReenrolment,
  identityLapse,
  identityUnmask,
  identityApproveUnmask,
  identityUnmaskings,
  patientRegister,
  patientPublishKeys,
  patientGet,
  patientPermissions,
  rotateBegin,
  rotateFinish,
  rotateRenew,
  guardRotation,
  patientRotations,
  patientPrivate,
  patientPrivateList,
  permissionGrant,
  permissionNarrow,
  permissionExtend,
  permissionReseal,
  permissionRevoke,
  permissionGet,
  permissionEarlier,
  permissionReceived,
  representativeAppoint,
  representativeEnd,
  representativeList,
  representativeMine,
  teamCreate,
  teamChange,
  teamClose,
  teamPublishKey,
  teamSeal,
  teamGet,
  teamList,
  teamMine,
  teamLog,
  teamPermissions,
  recordRegister,
  recordStored,
  recordCountersign,
  recordDispute,
  recordRetract,
  recordRelayered,
  recordRetag,
  recordLeave,
  recordList,
  recordGet,
  accessRequest,
  accessList,
  prescriptionIssue,
  prescriptionRelease,
  prescriptionRecall,
  prescriptionCancel,
  prescriptionFill,
  prescriptionList,
  prescriptionGet,
  prescriptionReceived,
  prescriptionFills,
  claimEstimate,
  claimSubmit,
  claimAnswer,
  claimWithdraw,
  claimGet,
  claimList,
  patientChooseHospitals,
  copyRequest,
  copyHeld,
  copyDeleted,
  copyTeam,
  copyList,
  recordErase,
  patientErase,
  recordErased,
  patientErased,
  erasureRenew,
  erasureGet,
  escrowGet,
  emergencyDeposit,
  emergencyWithdraw,
  emergencyDeclare,
  emergencyBind,
  emergencyAccess,
  emergencyReview,
  emergencyList,
  emergencyGet,
  recoverySetup,
  recoveryEnd,
  recoveryStart,
  recoveryVeto,
  recoveryRelease,
  recoveryRotate,
  recoveryGet,
  caseConsent,
  caseWithdraw,
  caseOpen,
  caseTell,
  caseClose,
  caseReread,
  caseGet,
  caseList,
  caseConsents,
  caseRekey,
  caseMembers,
  caseLeave,
  caseSeal,
  casePatientKey,
  caseNote,
  caseOpinion,
  caseRead,
  caseQuestion,
  caseVote,
  caseSettle,
  caseHandover,
  caseAccept,
  caseDischarge,
  caseShow,
  caseNotes,
  caseQuestions,
  caseKeys,
  caseLog,
  studyRegister,
  studyApprove,
  studyClose,
  studyJoin,
  studyWithdraw,
  studyGet,
  studyList,
  studyMine,
  studyLog,
  releaseSubmit,
  releaseCollect,
  releasePublish,
  releaseAccess,
  releaseList,
  releaseBatch,
  releaseEntries,
  releaseKnown,
  releaseMine,
  historyList,
  inboxList,
  validatorRejoin,
  validatorRotateKey,
  validatorAccuse,
  governancePropose,
  governanceApprove,
  governanceWithdraw,
  governanceList,
  governanceGet,
  governanceProbe,
  governanceOpenProbe,
  governanceCloseProbe,
  caseProbe,
  networkHead,
  networkValidators,
  networkAuthority,
];

const byName = new Map(chaincodeFunctions.map((one) => [one.name, one]));

/** The function of this name in a version of the chaincode, or undefined: denied. */
export function functionNamed(name: string, version: number): ChaincodeFunction | undefined {
  const found = byName.get(name);
  if (!found || version < (found.since ?? 1) || version > (found.until ?? Infinity)) {
    return undefined;
  }
  return found;
}
