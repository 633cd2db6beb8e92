// What the nodes say of themselves and of each other, as one picture. Pure.

/** The answer of `GET /v1/nodes`. */
export interface Status {
  node: number;
  leader?: number | null;
  term: number;
  last?: number | null;
  applied?: number | null;
  snapshot?: number | null;
  logBytes: number;
  storeBytes: number;
  nodes: Member[];
}

/** One node, as another lists it. */
export interface Member {
  node: number;
  address: string;
  http: string;
  role: string;
  leads: boolean;
  /** The node that answers has a link to it, or is it. */
  linked: boolean;
}

/** One node on the page. */
export interface NodeState extends Member {
  /** `up`: it answers here. `linked`: it does not, but another node has a link to it. `gone`: neither. */
  state: "up" | "linked" | "gone";
  applied: number | undefined;
  /** Entries that others have and this one has not applied. */
  lag: number | undefined;
  logBytes: number | undefined;
  storeBytes: number | undefined;
}

/** The whole. */
export interface ClusterState {
  leader: number | undefined;
  term: number;
  nodes: NodeState[];
}

/** Puts together what those said who answered. The one in the highest term knows best who leads. */
export function clusterState(answers: Status[]): ClusterState | undefined {
  const [best] = [...answers].sort((a, b) => b.term - a.term || Number(typeof b.leader === "number") - Number(typeof a.leader === "number") || (b.applied ?? 0) - (a.applied ?? 0));
  if (best === undefined) return undefined;
  const linked = new Set(answers.flatMap(({ nodes }) => nodes.filter((one) => one.linked).map(({ node }) => node)));
  const told = new Map(answers.map((status) => [status.node, status]));
  const end = Math.max(0, ...answers.map((status) => Math.max(status.last ?? 0, status.applied ?? 0)));
  const nodes = best.nodes.map((member): NodeState => {
    const own = told.get(member.node);
    const applied = own?.applied ?? undefined;
    return {
      ...member,
      leads: member.node === best.leader,
      state: own !== undefined ? "up" : linked.has(member.node) ? "linked" : "gone",
      applied,
      lag: applied === undefined ? undefined : Math.max(0, end - applied),
      logBytes: own?.logBytes,
      storeBytes: own?.storeBytes,
    };
  });
  return { leader: best.leader ?? undefined, term: best.term, nodes: nodes.sort((a, b) => a.node - b.node) };
}

/** What is wrong with the cluster, in one line; empty: nothing. */
export function alarm(state: ClusterState): string {
  const lost = state.nodes.filter((one) => one.state === "gone").map(({ node }) => node);
  const voters = state.nodes.filter(({ role }) => role === "voter");
  const alive = voters.filter((one) => one.state !== "gone").length;
  if (alive <= voters.length / 2) return `Only ${alive} of ${voters.length} voters can be reached: nothing can be written. Start the others.`;
  if (state.leader === undefined) return "Nobody leads at the moment: an election is under way.";
  if (lost.length > 0) return `Node ${lost.join(", ")} cannot be reached. Look at its log, or start it again.`;
  const far = state.nodes.filter((one) => one.state === "linked").map(({ node }) => node);
  if (far.length > 0) return `Node ${far.join(", ")} is up, but this browser does not reach it: its figures are missing. Nodes are added with --http, the address for browsers.`;
  return "";
}
