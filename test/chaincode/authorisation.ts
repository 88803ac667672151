/** Who may call what, written by hand, apart from the table of functions that it checks. */
import type { Role } from '../../lib/chaincode/roles.ts';

export const clinicians: Role[] = ['doctor', 'nurse', 'pharmacist'];
export const named: Role[] = [...clinicians, 'insurer', 'researcher', 'auditor'];
const all: Role[] = ['patient', ...named, 'operator', 'custodian', 'membership', 'validator'];

/** Roles by function; docs/authorisation.md shows it. */
export const expected: Record<string, Role[]> = {
  'identity.register-clinician': ['operator'],
  'identity.renew': ['operator'],
  'identity.revoke': ['operator', 'membership', ...named],
  'identity.get': all,
  'patient.register': ['patient'],
  'patient.publish-keys': ['patient'],
  'patient.get': ['patient', ...clinicians],
  'patient.permissions': ['patient'],
  'patient.rotate-begin': ['patient'],
  'patient.rotate-finish': ['patient'],
  'patient.guard-rotation': ['patient'],
  'patient.rotations': ['patient'],
  'permission.grant': ['patient'],
  'permission.revoke': ['patient'],
  'permission.get': ['patient', ...clinicians],
  'permission.received': clinicians,
  'record.register': ['doctor', 'nurse'],
  'record.stored': ['custodian'],
  'record.countersign': ['patient'],
  'record.dispute': ['patient'],
  'record.relayered': ['custodian'],
  'record.retag': ['patient'],
  'record.leave': ['patient'],
  'record.list': ['patient', ...clinicians],
  'record.get': ['patient', ...clinicians, 'custodian'],
  'access.request': ['patient', ...clinicians],
  'access.list': ['patient', ...clinicians],
  'history.list': ['patient'],
  'inbox.list': all,
  'validator.rejoin': ['validator'],
  'validator.rotate-key': ['validator'],
  'validator.accuse': all,
  'governance.propose': ['operator'],
  'governance.approve': ['operator'],
  'governance.withdraw': ['operator'],
  'governance.list': all,
  'governance.get': all,
  'governance.probe': ['operator'],
  'network.head': all,
  'network.validators': all,
};
