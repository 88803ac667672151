/** Validity: what is committed was submitted, and its effect is there once at every replica. */
import { cells } from '../../../lib/chaincode/cells.ts';
import { TreeView } from '../../../lib/ledger/state-view.ts';
import { thumbprint } from '../../../lib/crypto/p256.ts';
import { parseTransaction } from '../../../lib/wire/transaction.ts';
import { decodeCbor } from '../../../lib/wire/codec.ts';
import { ledger, type SimNode } from '../node.ts';
import type { World } from '../world.ts';
import type { Checker } from './checker.ts';

export function validity(world: World): Checker {
  const name = 'validity';
  return {
    name,
    onBlock(node, { header, body }) {
      if (body.transactions.length === 0) world.fail(name, `block ${header.height} is empty`);
      for (const compact of body.transactions) {
        if (!world.submitted.has(compact) && !isOfValidator(world, compact)) {
          world.fail(name, `${node.name} committed at ${header.height} what nobody submitted`);
        }
      }
    },
    async atEnd() {
      for (const node of world.judged()) {
        for (const id of world.ids) await countsAgree(node, id);
      }
    },
  };

  /** The state's count of probes of a hospital is that of its transactions in the ledger. */
  async function countsAgree(node: SimNode, hospital: string): Promise<void> {
    const head = await node.tables.replicas.head(ledger);
    if (!head || head.height === 0) return;
    const pages = (ids: readonly string[]) => node.tables.pages.getPages(ledger, ids);
    const view = new TreeView({ height: head.height, root: head.header.stateRoot }, { pages });
    const cell = cells.probe(hospital);
    const stored = await view.get(cell.key);
    const count = stored ? cell.schema.parse(decodeCbor(stored, 4_096)).count : 0;
    const wanted = [...world.submitted.values()].filter(
      (one) =>
        one.fn === 'governance.probe' &&
        one.hospital === hospital &&
        node.observed.executed.has(one.compact) &&
        !node.observed.refused.has(one.compact),
    ).length;
    if (count !== wanted) {
      world.fail(name, `${node.name} counts ${count} probes of ${hospital}, not ${wanted}`);
    }
  }
}

/** Validators submit by themselves: accusations, and their return; by the KMS keys that they have. */
function isOfValidator(world: World, compact: string): boolean {
  const { fn, signer } = parseTransaction(compact);
  if (!fn.startsWith('validator.') || signer.kind !== 'key') return false;
  const first = world.network.validators.map(({ kms }) => kms);
  const present = world.all().map(({ keyring }) => keyring.kms);
  return [...first, ...present].some(({ publicKey }) => thumbprint(publicKey) === signer.kid);
}
