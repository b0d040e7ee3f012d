const REFRESH_MS = 30000

export async function loadBoard(url) {
  const answer = await fetch(url)
  if (!answer.ok) throw new Error(`the board is down: ${answer.status}`)
  return answer.json()
}

export function renderBerth(berth) {
  const row = document.createElement('tr')
  row.className = berth.ship ? 'taken' : 'free'
  row.textContent = `${berth.name}: ${berth.ship ?? 'free'}`
  return row
}

setInterval(() => loadBoard('/board.json').then((berths) => {
  document.querySelector('tbody').replaceChildren(...berths.map(renderBerth))
}), REFRESH_MS)
