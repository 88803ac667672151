/** What every person works with: a keystore, and clients of the parties of one network. */
import { fromBase64url, toBase64url } from '../lib/crypto/bytes.ts';
import { Authorities } from './authorities.ts';
import { systemClock, type Clock } from './clock.ts';
import { CopiesClient } from './copies-client.ts';
import { CustodianClient } from './custodian-client.ts';
import { SdkError } from './errors.ts';
import { fetchTransport, type Transport } from './http.ts';
import type { Keystore } from './keystore.ts';
import type { EnrolmentData } from './keystore-data.ts';
import { type EnrolmentState, type Identity, MembershipClient } from './membership-client.ts';
import { NetworkClient, type NetworkClientOptions } from './network-client.ts';
import type { Network } from './network-file.ts';
import { RecordSources } from './record-sources.ts';
import type { Role } from '../lib/membership/roles.ts';

export interface Session {
  readonly network: Network;
  readonly client: NetworkClient;
  /** Who judges certificates, as the ledger has it. */
  readonly authorities: Authorities;
  readonly membership: MembershipClient;
  readonly custodian: CustodianClient;
  /** Who gives out records: the custodian, else hospitals with copies. */
  readonly sources: RecordSources;
  readonly transport: Transport;
  readonly clock: Clock;
}

/** Clients of all parties of a network; nothing is called yet. */
export function openSession(network: Network, options: NetworkClientOptions = {}): Session {
  const transport = options.transport ?? fetchTransport;
  const clock = options.clock ?? systemClock;
  const client = new NetworkClient(network, options);
  const authorities = new Authorities(client);
  const custodian = new CustodianClient(network, { transport, clock });
  const copies = new CopiesClient(transport, clock);
  const hospitals = () => client.validators;
  return {
    network,
    client,
    authorities,
    membership: new MembershipClient(network, authorities, { transport, clock }),
    custodian,
    sources: new RecordSources({ custodian, copies, hospitals, clock }),
    transport,
    clock,
  };
}

/**
 * Enrols the holder of a keystore, asks how far an earlier enrolment is, or enrols the same keys again where
 * the service forgot them. Gives what the keystore then holds; the caller saves it.
 */
export async function enrolOrResume(
  { network, membership }: Session,
  keystore: Keystore,
  {
    known,
    role,
    identity,
    invitation,
  }: {
    known: EnrolmentData | undefined;
    role: Role;
    identity: Identity | null;
    /** Of an operator, for whom no registry lists, or whose old keys are lost. */
    invitation?: string | undefined;
  },
): Promise<EnrolmentData> {
  const { signingKey, encryption } = keystore;
  const { network: name } = network.genesis.document;
  if (known && known.network !== name) throw otherNetwork(known.network);
  const isActive = known?.status === 'active';
  if (isActive && !(await membership.isForgotten(known.enrolmentId, signingKey))) return known;
  if (known?.status === 'pending' && identity === null) {
    const state = await membership.enrolment(known.enrolmentId, signingKey);
    return { ...known, ...fieldsOf(state) };
  }
  if (identity === null) {
    throw isActive
      ? new SdkError('bad_input', 'The membership service was restored and forgot you.', {
          nextStep: 'Enrol again with the same keystore, and say who you are, as the first time.',
        })
      : new SdkError('bad_input', 'Nothing says who enrols.', {
          nextStep: 'Give at least --name.',
        });
  }
  const { enrolmentId, state } = await membership.enrol({
    role,
    signingKey,
    encryption,
    identity,
    invitation,
    certificate: isActive ? known.certificate : undefined,
  });
  return { network: name, enrolmentId, role, ...fieldsOf(state) };
}

/** The enrolment of a keystore that works on this network. Throws `wrong_keystore`. */
export function requireEnrolment(
  { network }: Session,
  enrolment: EnrolmentData | undefined,
): EnrolmentData & { certificate: string; subject: string } {
  const { network: name } = network.genesis.document;
  if (!enrolment) {
    throw new SdkError('wrong_keystore', 'This keystore is not enrolled.', {
      nextStep: 'Enrol first: `carequorum enrol`.',
    });
  }
  if (enrolment.network !== name) throw otherNetwork(enrolment.network);
  const { certificate, subject } = enrolment;
  if (enrolment.status !== 'active' || certificate === undefined || subject === undefined) {
    throw new SdkError('wrong_keystore', 'The enrolment of this keystore is still pending.', {
      nextStep: 'Ask again with `carequorum enrol --resume`.',
    });
  }
  return { ...enrolment, certificate, subject };
}

export function certificateOf(enrolment: { certificate: string }): Uint8Array {
  return fromBase64url(enrolment.certificate);
}

/** What a keystore keeps of an answer of the membership service. */
export function fieldsOf(
  state: EnrolmentState,
): Pick<EnrolmentData, 'status'> & Partial<Pick<EnrolmentData, 'certificate' | 'subject'>> {
  if (state.status === 'pending') return { status: 'pending' };
  const { certificate, subject } = state;
  return { status: 'active', certificate: toBase64url(certificate), subject };
}

function otherNetwork(name: string): SdkError {
  return new SdkError('wrong_keystore', `This keystore is enrolled on the network ${name}.`, {
    nextStep: 'Give that network with --network, or another --keystore.',
  });
}
