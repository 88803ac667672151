/** Keys of layers: made by the custodian, sealed to the patient who rotates, kept nowhere else. */
import { toBase64url, u32be, utf8 } from '../crypto/bytes.ts';
import { taggedHash } from '../crypto/hash.ts';
import { hpkeInfo, hpkeOpen, hpkeSeal } from '../crypto/hpke.ts';
import { fromSealedText, type SealedText, toSealedText } from './sealed.ts';

/** Which layer of which record a key is for. */
export interface LayerOf {
  network: string;
  recordId: string;
  /** The pseudonym that the patient rotates to. */
  pseudonym: string;
  generation: number;
}

/** Seals a layer's key to the patient's sealing key (X-Wing, 1,216 bytes). */
export async function sealLayerKey(
  key: Uint8Array,
  publicKey: Uint8Array,
  layer: LayerOf,
): Promise<SealedText> {
  const context = { info: infoOf(layer), aad: u32be(layer.generation), plaintext: key };
  return toSealedText(await hpkeSeal(publicKey, context));
}

/** Throws CryptoError `open_failed` where it is not of this layer or not for this seed. */
export async function openLayerKey(
  sealed: SealedText,
  seed: Uint8Array,
  layer: LayerOf,
): Promise<Uint8Array> {
  const context = { info: infoOf(layer), aad: u32be(layer.generation) };
  return hpkeOpen(seed, { ...fromSealedText(sealed), ...context });
}

/** `sealingKeyDigest` of the ledger. */
export function sealingKeyDigest(publicKey: Uint8Array): string {
  return toBase64url(taggedHash('sealing-key', publicKey));
}

/** What tells a layer's key from another without telling the key. */
export function layerKeyCheck(key: Uint8Array, recordId: string): string {
  return toBase64url(taggedHash('layer-key-check', utf8(recordId), key));
}

function infoOf({ network, recordId, pseudonym }: LayerOf): Uint8Array {
  return hpkeInfo({ network, purpose: 'layer-key', subject: recordId, recipient: pseudonym });
}
