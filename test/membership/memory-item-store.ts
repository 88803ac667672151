/** `ItemStore` in memory, with the conditions of the real one. */
import { decodeCbor, encodeCbor } from '../../lib/wire/codec.ts';
import type { ItemKey, ItemStore, StoredItem } from '../../functions/aws/item-store.ts';

export interface MemoryItemStore extends ItemStore {
  /** All that is stored, as one text: to look for what must not be there in clear. */
  dump(): string;
  keys(): string[];
}

export function memoryItemStore(): MemoryItemStore {
  const items = new Map<string, { key: ItemKey; version: number; data: Uint8Array }>();
  const nameOf = ({ pk, sk }: ItemKey): string => `${pk}\n${sk}`;
  const stored = (key: ItemKey): StoredItem | null => {
    const item = items.get(nameOf(key));
    return item
      ? { sk: key.sk, version: item.version, value: decodeCbor(item.data, 1_000_000) }
      : null;
  };
  const write = (key: ItemKey, version: number, value: unknown): void => {
    items.set(nameOf(key), { key, version, data: encodeCbor(value) });
  };
  const versionOf = (key: ItemKey): number | null => items.get(nameOf(key))?.version ?? null;
  return {
    get: async (key) => stored(key),
    async list(pk, { prefix = '', after, limit }) {
      return [...items.values()]
        .filter(({ key }) => key.pk === pk && key.sk.startsWith(prefix))
        .sort((a, b) => (a.key.sk < b.key.sk ? -1 : 1))
        .filter(({ key }) => after === undefined || key.sk > after)
        .slice(0, limit)
        .map(({ key }) => stored(key) as StoredItem);
    },
    async insert(key, value) {
      if (versionOf(key) !== null) return false;
      write(key, 1, value);
      return true;
    },
    async replace(key, expected, value) {
      if (versionOf(key) !== expected) return false;
      write(key, expected + 1, value);
      return true;
    },
    async stage(entries) {
      for (const { key, value } of entries) write(key, 1, value);
    },
    async remove(keys) {
      for (const key of keys) items.delete(nameOf(key));
    },
    async transact(changes) {
      if (changes.some(({ key, expected }) => versionOf(key) !== expected)) return false;
      for (const { key, expected, value } of changes) write(key, (expected ?? 0) + 1, value);
      return true;
    },
    dump() {
      const texts = [...items.values()].map(
        ({ key, data }) => `${nameOf(key)}\n${Buffer.from(data).toString('latin1')}`,
      );
      return texts.join('\n');
    },
    keys: () => [...items.values()].map(({ key }) => `${key.pk} ${key.sk}`),
  };
}
