// What must hold of what people were told and of what nodes show, whatever went wrong in between. The one checker of histories.

/** A message as the checker sees it: `{seq, sender, said}`; `sender` is absent for what the house says by itself. */
const sameMessage = (a, b) => a?.seq === b?.seq && a?.sender === b?.sender && a?.said === b?.said;
const shortly = (message) => (message ? `${message.seq} ${message.sender}: ${message.said}` : "nothing");

/**
 * Returns what is wrong, in words.
 *
 * - `shown`: `[{by, conversation, messages}]`, everything that each device and each node shows of each conversation
 * - `acknowledged`: `[{conversation, seq, sender, said}]`; a sender's words in a conversation end in a number that rises
 * - `friends`: `{user: [friends]}` as each user is shown them
 * - `unread`: `[{user, conversation, read, unread}]` as each user is shown them
 */
export function faults({ shown, acknowledged, friends = {}, unread = [] }) {
  return [
    ...shown.flatMap(dense),
    ...agreement(shown),
    ...shown.flatMap((one) => kept(one, acknowledged)),
    ...shown.flatMap(ordered),
    ...oneSided(friends),
    ...miscounted(unread, shown),
  ];
}

/** Numbers rise by one from 1. */
function dense({ by, conversation, messages }) {
  const index = messages.findIndex((message, index) => message.seq !== index + 1);
  return index < 0 ? [] : [`${by}: place ${index + 1} of ${conversation} has number ${messages[index].seq}`];
}

/** Everybody is shown the same. */
function agreement(shown) {
  const first = new Map();
  return shown.flatMap(({ by, conversation, messages }) => {
    const like = first.get(conversation) ?? { by, messages };
    first.set(conversation, like);
    const length = Math.max(messages.length, like.messages.length);
    const index = Array.from({ length }).findIndex((_, index) => !sameMessage(messages[index], like.messages[index]));
    if (index < 0) return [];
    return [`${conversation}: ${like.by} has ${shortly(like.messages[index])}, ${by} has ${shortly(messages[index])}`];
  });
}

/** What was acknowledged is there, at its number, and nowhere else. */
function kept({ by, conversation, messages }, acknowledged) {
  const wrong = [];
  const said = messages.filter((message) => message.sender).map((message) => message.said);
  if (new Set(said).size !== said.length) {
    const twice = said.find((words, index) => said.indexOf(words) !== index);
    wrong.push(`${by}: ${conversation} has "${twice}" twice`);
  }
  for (const one of acknowledged.filter((one) => one.conversation === conversation)) {
    const found = messages[one.seq - 1];
    if (!sameMessage(found, one)) wrong.push(`${by}: acknowledged in ${conversation} as ${shortly(one)}, shown ${shortly(found)}`);
  }
  return wrong;
}

/** What somebody said later comes later. */
function ordered({ by, conversation, messages }) {
  const last = new Map();
  return messages.flatMap(({ sender, said }) => {
    if (!sender) return [];
    const number = Number(said.split(" ").at(-1));
    const before = last.get(sender) ?? -1;
    last.set(sender, number);
    return number > before ? [] : [`${by}: ${conversation} has "${said}" after ${before} of ${sender}`];
  });
}

function oneSided(friends) {
  return Object.entries(friends).flatMap(([user, theirs]) =>
    theirs.filter((other) => !friends[other]?.includes(user)).map((other) => `${other} is a friend of ${user}, who is none of ${other}'s`));
}

/** Unread is what others said behind what one has read. */
function miscounted(unread, shown) {
  return unread.flatMap(({ user, conversation, read, unread }) => {
    const { messages = [] } = shown.find((one) => one.conversation === conversation) ?? {};
    const counted = messages.filter(({ seq, sender }) => seq > read && sender && sender !== user).length;
    return counted === unread ? [] : [`${user} is told ${unread} unread in ${conversation}, of which ${counted} are there`];
  });
}
