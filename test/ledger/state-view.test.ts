/** Views of state: prefetching, a block's writes on top, and the record of reads. */
import { describe, expect, it } from 'vitest';
import { utf8 } from '../../lib/crypto/bytes.ts';
import { updateTree } from '../../lib/ledger/state-tree.ts';
import { OverlayView, RecordingView, TreeView } from '../../lib/ledger/state-view.ts';
import { MemoryPages } from './memory-pages.ts';

async function treeView(): Promise<{ view: TreeView; pages: MemoryPages }> {
  const pages = new MemoryPages();
  const writes = ['a', 'b', 'c'].map((key) => ({ key, value: utf8(key) }));
  const update = await updateTree(null, 0, writes, pages);
  pages.put(update.pages);
  return { view: new TreeView({ height: 0, root: update.root }, pages), pages };
}

describe('state views', () => {
  it('reads prefetched keys, absent ones too, without another round trip', async () => {
    const { view, pages } = await treeView();
    await view.prefetch(['a', 'b', 'nothing']);
    const before = pages.roundTrips;
    expect(await view.get('a')).toEqual(utf8('a'));
    expect(await view.get('nothing')).toBeUndefined();
    expect(pages.roundTrips).toBe(before);
    expect(await view.get('c')).toEqual(utf8('c'));
  });

  it('shows earlier writes and deletions, and collects the last of each key', async () => {
    const { view } = await treeView();
    const overlay = new OverlayView(view);
    overlay.apply([
      { key: 'b', value: null },
      { key: 'a', value: utf8('1') },
    ]);
    overlay.apply([{ key: 'a', value: utf8('2') }]);
    expect(await overlay.get('a')).toEqual(utf8('2'));
    expect(await overlay.get('b')).toBeUndefined();
    expect(await overlay.get('c')).toEqual(utf8('c'));
    expect(overlay.writes()).toEqual([
      { key: 'a', value: utf8('2') },
      { key: 'b', value: null },
    ]);
  });

  it('records each key read once, absent ones too', async () => {
    const { view } = await treeView();
    const recording = new RecordingView(view);
    for (const key of ['c', 'nothing', 'c', 'a']) await recording.get(key);
    expect(recording.keys()).toEqual(['c', 'nothing', 'a']);
  });
});
