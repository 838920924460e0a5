// Keeps what is live live, asks before what cannot be undone, and filters what is long.
const swap = async element => {
  const answer = await fetch(element.dataset.live, { headers: { accept: 'text/html' } });
  if (!answer.ok) return;
  const open = new Set([...element.querySelectorAll('details[open]')].map(d => d.querySelector('summary')?.textContent));
  const focused = element.contains(document.activeElement);
  if (focused || element.querySelector('input:checked')) return;
  element.innerHTML = await answer.text();
  for (const details of element.querySelectorAll('details'))
    if (open.has(details.querySelector('summary')?.textContent)) details.open = true;
};

for (const element of document.querySelectorAll('[data-live][data-every]'))
  setInterval(() => document.hidden || swap(element), Number(element.dataset.every));

for (const element of document.querySelectorAll('[data-job]')) {
  const events = new EventSource(`/api/v2/jobs/${element.dataset.job}/events`);
  let waiting = false;
  const soon = () => {
    if (waiting) return;
    waiting = true;
    setTimeout(() => { waiting = false; swap(element); }, 300);
  };
  events.addEventListener('told', soon);
  events.addEventListener('job', event => {
    soon();
    if (['Completed', 'Failed', 'Cancelled'].includes(JSON.parse(event.data).state)) events.close();
  });
}

document.addEventListener('submit', event => {
  const question = event.submitter?.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
});

document.addEventListener('input', event => {
  const filter = event.target.dataset?.filter;
  if (!filter) return;
  const words = event.target.value.toLowerCase().split(/\s+/);
  for (const row of document.querySelectorAll(`${filter} tbody tr`))
    row.hidden = !words.every(word => row.textContent.toLowerCase().includes(word));
});

document.addEventListener('change', event => {
  const form = event.target.closest('[data-ticks]');
  if (!form) return;
  const ticked = form.querySelectorAll('input[name=select]:checked').length;
  form.querySelector('[data-count]').textContent = `${ticked} ticked`;
});

document.addEventListener('keydown', event => {
  if (event.key !== '/' || /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) return;
  const search = document.querySelector('input[type=search]');
  if (search) { event.preventDefault(); search.focus(); }
});
