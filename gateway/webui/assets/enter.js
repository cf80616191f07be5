// Shows the ticket of the address to the gateway, which answers with the way on. The
// ticket is taken out of the address first, so that no history keeps it.
'use strict';

const ticket = location.hash.slice(1);
history.replaceState(null, '', location.pathname);

if (ticket) {
  const form = document.createElement('form');
  form.method = 'post';
  form.action = location.pathname;
  const field = document.createElement('input');
  field.type = 'hidden';
  field.name = 'ticket';
  field.value = ticket;
  form.append(field);
  document.body.append(form);
  form.submit();
} else {
  document.getElementById('text').textContent = 'This address carries no ticket.';
  fetch('ui/page.json').then((res) => res.json()).then((page) => {
    document.getElementById('command').textContent = page.command;
    document.getElementById('fix').hidden = false;
  });
}
