/** The worlds that are searched whole, and the broken variants that Spin must refute. */

export interface Check {
  readonly name: string;
  readonly file: string;
  readonly flags: readonly string[];
  /** `holds`: no state breaks a property. `refuted`: Spin finds a state that does. */
  readonly expected: 'holds' | 'refuted';
  /** What the world is, or what is broken. */
  readonly about: string;
  /** In the quick set as well. */
  readonly isQuick: boolean;
  /** Only with --full: minutes. */
  readonly isLong: boolean;
}

type Options = Partial<Pick<Check, 'isQuick' | 'isLong'>>;

function holds(name: string, command: string, about: string, options: Options = {}): Check {
  const [file = '', ...flags] = command.split(' ');
  return { name, file, flags, expected: 'holds', about, isQuick: false, isLong: false, ...options };
}

function refuted(mutant: string, command: string, about: string): Check {
  const [file = '', ...flags] = command.split(' ');
  const world = [file.replace('.pml', ''), ...flags.filter((one) => /CLONED|SUSP/.test(one))];
  const name = `${world.join(' ').replaceAll('-D', '').toLowerCase()}: ${mutant}`;
  const variant = `-DMUTANT_${mutant.toUpperCase().replaceAll(' ', '_')}`;
  const all = [...flags, variant];
  return { name, file, flags: all, expected: 'refuted', about, isQuick: true, isLong: false };
}

const quick = { isQuick: true };
const long = { isLong: true };

export const checks: readonly Check[] = [
  holds('one height, two views', 'pbft.pml -DVIEWS=2', 'one of four lies', quick),
  holds('two heights, two views', 'pbft.pml -DVIEWS=2 -DHEIGHTS=2', 'one of four lies', quick),
  holds('one height, three views', 'pbft.pml', 'one of four lies', quick),
  holds('two heights, three views', 'pbft.pml -DHEIGHTS=2', 'one of four lies', long),
  holds('rejoin', 'rejoin.pml', 'one is wiped and rejoins, another lies'),
  holds(
    'rejoin, cloned',
    'rejoin.pml -DCLONED -DASKS_MAX=2',
    'the old key stays with the liar',
    quick,
  ),
  holds('rejoin, cloned, longer', 'rejoin.pml -DCLONED -DASKS_MAX=3', 'the same', long),
  holds('suspension', 'governance.pml -DSUSPENSION', 'the liar is suspended, another lies', quick),
  holds('suspension, three heights', 'governance.pml -DSUSPENSION -DHEIGHTS=3', 'the same'),
  holds('replacement', 'governance.pml -DASKS_MAX=2', 'one seat changes hands'),
  holds('replacement, longer', 'governance.pml -DASKS_MAX=3', 'one seat changes hands'),
  holds('case, suspension', 'cases.pml -DSUSPENSION', 'a block pins a suspension', quick),
  holds('case, replacement', 'cases.pml -DASKS_MAX=2', 'a block pins a change of seats'),
  holds('case, three heights', 'cases.pml -DHEIGHTS=3 -DASKS_MAX=1', 'the same'),

  refuted('quorum short', 'pbft.pml', 'two votes make a certificate'),
  refuted('unsaved', 'pbft.pml', 'a vote is sent before it is saved, and forgotten'),
  refuted('binding ignored', 'pbft.pml', 'what the new-view is bound to is not looked at'),
  refuted('executed not checked', 'pbft.pml', 'nor for a header that was executed before'),
  refuted('commit unprepared', 'pbft.pml', 'a commit vote without a prepared certificate'),
  refuted('prepared forgotten', 'pbft.pml', 'a view-change without the prepared certificate'),
  refuted('lowest prepared', 'pbft.pml', 'the certificate of the lowest view is chosen'),
  refuted(
    'vote after view change',
    'pbft.pml',
    'the old view is voted in after asking for another',
  ),
  refuted('votes below start', 'pbft.pml', 'votes below the height at which the view starts'),
  refuted(
    'votes at once',
    'rejoin.pml -DASKS_MAX=2',
    'a wiped replica votes before its rejoin acts',
  ),
  refuted('no delay', 'rejoin.pml -DASKS_MAX=0', 'a rejoin acts in its own block'),
  refuted('view changes of any set', 'rejoin.pml', 'the old incarnation counts in a new-view'),
  refuted('new view of earlier set', 'rejoin.pml', 'a view outlives the set that gave it'),
  refuted('old incarnation counted', 'rejoin.pml -DCLONED', 'its votes count after the rejoin'),
  refuted('no delay', 'governance.pml -DASKS_MAX=0', 'a set change acts in its own block'),
  refuted('removed counted', 'governance.pml', 'votes of a validator that left count'),
  refuted('view changes of any set', 'governance.pml', 'view-changes of the old set count'),
  refuted('new view of earlier set', 'governance.pml', 'a view outlives the set that gave it'),
  refuted('suspended counted', 'governance.pml -DSUSPENSION', 'votes of a suspended one count'),
  refuted('quorum shrinks', 'governance.pml -DSUSPENSION', 'the quorum is lowered by a suspension'),
  refuted(
    'own pin',
    'cases.pml -DASKS_MAX=0',
    'a block is judged by the set of what it pins itself',
  ),
  refuted(
    'own main head',
    'cases.pml -DASKS_MAX=0',
    'each judges by the set at the head of its main ledger',
  ),
  refuted(
    'pin goes back',
    'cases.pml -DHEIGHTS=3 -DASKS_MAX=0',
    'a block pins what is before an earlier pin',
  ),
  refuted('view changes of any set', 'cases.pml', 'view-changes of the old set count'),
  refuted('new view of earlier set', 'cases.pml', 'a view outlives the set that gave it'),
];
